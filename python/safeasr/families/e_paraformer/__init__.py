"""EParaformer: a Paraformer whose tokens are soft windows over the frames."""
