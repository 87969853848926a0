"""What a model says of itself: counts and times, spans, and a log of slow requests."""
