"""``safeasr doctor``: what safeasr makes of a model, and of FunASR's classes."""
