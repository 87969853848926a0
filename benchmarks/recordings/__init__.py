"""Long recordings through all models of a pipeline."""
