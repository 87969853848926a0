"""Modules under the names that they have in FunASR."""
