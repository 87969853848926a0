"""Several models working on the same audio: recordings in segments, streams in two passes."""
