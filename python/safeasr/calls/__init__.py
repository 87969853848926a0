"""One call of a model: its requests, its futures, and what is written down of its results."""
