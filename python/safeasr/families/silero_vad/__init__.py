"""Silero VAD: where somebody speaks, by the weights of the package ``silero-vad``."""
