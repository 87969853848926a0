"""CT-Transformer, for live texts: FunASR's class ``CTTransformerStreaming``."""
