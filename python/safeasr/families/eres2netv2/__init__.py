"""ERes2NetV2: who is speaking, as a vector."""
