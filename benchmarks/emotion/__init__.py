"""Emotion recognition beside FunASR."""
