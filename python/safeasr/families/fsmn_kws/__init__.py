"""Keywords by an FSMN, for recordings."""
