"""ContextualParaformer: a Paraformer whose decoder attends to hotwords too."""
