"""Models that no family runs: FunASR's own code behind safeasr's interface, each call by itself.

docs/guarded.md says what it costs and what it cannot do.
"""
