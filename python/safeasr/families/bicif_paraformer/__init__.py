"""BiCifParaformer: a Paraformer whose predictor has a second, finer integral for times."""
