"""Keywords by an FSMN with two heads, each with its own tokens."""
