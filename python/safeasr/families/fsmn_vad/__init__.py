"""FSMN-VAD, which finds speech in recordings and in live streams."""
