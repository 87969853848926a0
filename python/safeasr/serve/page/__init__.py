"""A page to try the server with."""
