"""OpenAI's HTTP API of transcriptions, and what FunASR's own server adds to it."""
