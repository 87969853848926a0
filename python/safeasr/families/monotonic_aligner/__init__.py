"""MonotonicAligner: when each word of a text that is known was said."""
