"""Keywords by a SAN-M encoder, for live streams."""
