"""Keywords by a SAN-M encoder, for recordings."""
