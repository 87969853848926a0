"""Measurements of safeasr against FunASR. Run them all with ``python -m benchmarks.run``."""
