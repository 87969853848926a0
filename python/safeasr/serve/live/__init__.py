"""Live sessions, whatever the protocol."""
