"""How far safeasr's answers are FunASR's: every family, its options, kinds of input."""
