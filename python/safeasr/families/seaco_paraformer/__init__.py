"""SeACo-Paraformer, FunASR's ``paraformer-zh``: text corrected by hotwords, with times."""
