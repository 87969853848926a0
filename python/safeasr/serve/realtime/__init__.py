"""OpenAI's realtime transcription sessions."""
