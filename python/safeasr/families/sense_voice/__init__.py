"""SenseVoice, which also tells languages, emotions and events."""
