"""Live sessions with a server, which survive the loss of a connection."""
