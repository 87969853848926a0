"""From a model's name to a recogniser that is ready: found, exported, loaded."""
