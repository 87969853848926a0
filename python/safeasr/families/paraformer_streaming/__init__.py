"""Paraformer for live streams."""
