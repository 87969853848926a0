"""Bundles, the cache that keeps them, and the FunASR model directories they are made from."""
