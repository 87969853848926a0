"""Paraformer for whole recordings."""
