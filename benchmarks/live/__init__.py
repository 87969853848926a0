"""Live sessions: how many a machine carries, and what a chunk costs."""
