"""Cues of subtitles, character by character."""

from __future__ import annotations

from safeasr.text.subtitles import srt_cue, vtt_cue


def test_srt() -> None:
    assert srt_cue(7, 0, 3_661_001, "a < b", None) == "7\n00:00:00,000 --> 01:01:01,001\na < b\n"
    assert srt_cue(1, 999, 1000, "yes", "A") == "1\n00:00:00,999 --> 00:00:01,000\nA: yes\n"


def test_vtt() -> None:
    cue = vtt_cue(59_999, 360_000_000, "a < b & c --> d", "Speaker 0")
    assert cue == "00:00:59.999 --> 100:00:00.000\n<v Speaker 0>a &lt; b &amp; c --&gt; d\n"
    assert vtt_cue(0, 1, "x", None).endswith("\nx\n")
