"""The utterances of the benchmarks: the same for every system."""

from __future__ import annotations

import numpy as np

from benchmarks.common.models import data_root
from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.audio.noise import noise_clips
from safeasr.inputs.audio import load_audio


def long_clips(
    count: int, shortest_s: float = 5.0, longest_s: float = 15.0
) -> tuple[str, list[Clip]]:
    """Utterances of 5 to 15 s and what they are made of.

    Real recordings, if any are at hand, are joined and cut at fixed places; otherwise it is
    speech-like noise. Lengths are spread evenly, in random but fixed order.
    """
    folder = data_root() / "audio"
    found = sorted(p for p in folder.glob("*") if p.suffix in (".wav", ".mp3", ".flac"))
    if not found:
        return "speech-like noise", noise_clips(count, shortest_s, longest_s)
    track = np.concatenate([load_audio(str(p), SAMPLE_RATE, SAMPLE_RATE) for p in found])
    random = np.random.default_rng(0)
    lengths = np.linspace(shortest_s, longest_s, count).round(2)
    random.shuffle(lengths)
    items = []
    for i, seconds in enumerate(lengths.tolist()):
        size = int(seconds * SAMPLE_RATE)
        start = int(random.integers(0, len(track) - size))
        items.append(Clip(f"cut-{i:02d}", track[start : start + size].copy()))
    return "cuts of real recordings", items
