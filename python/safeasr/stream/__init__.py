"""Live streams: chunks go in from any thread, results come out in order."""
