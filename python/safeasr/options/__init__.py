"""The options of models and calls: their names, defaults and checks."""
