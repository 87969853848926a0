"""CT-Transformer, for whole texts: FunASR's class ``CTTransformer``."""
