"""Cues of subtitles: SubRip and WebVTT."""

from __future__ import annotations

__all__ = ["srt_cue", "vtt_cue"]


def srt_cue(number: int, start_ms: int, end_ms: int, text: str, speaker: str | None) -> str:
    """One cue of a .srt file, numbered from 1; the speaker's name stands before the text."""
    said = text if speaker is None else f"{speaker}: {text}"
    return f"{number}\n{_clock(start_ms, ',')} --> {_clock(end_ms, ',')}\n{said}\n"


def vtt_cue(start_ms: int, end_ms: int, text: str, speaker: str | None) -> str:
    """One cue of a .vtt file; the speaker is its voice."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    said = text if speaker is None else f"<v {speaker}>{text}"
    return f"{_clock(start_ms, '.')} --> {_clock(end_ms, '.')}\n{said}\n"


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
