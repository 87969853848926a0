"""The utterances of the benchmarks: the same for every system."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import safeasr
from benchmarks.common.models import data_root
from safeasr.bench.closed_loop import Item, synthetic_items
from safeasr.inputs.audio import load_audio

RATE = 16000


def demo_items() -> list[Item]:
    """The recordings that come with the demo model."""
    folder = Path(safeasr.__file__).parent / "models" / "demo" / "audio"
    items = []
    for path in sorted(folder.glob("*.flac")):
        samples = load_audio(str(path), RATE, RATE)
        items.append(Item(path.name, samples, len(samples) / RATE))
    return items


def long_items(
    count: int, shortest_s: float = 5.0, longest_s: float = 15.0
) -> tuple[str, list[Item]]:
    """Utterances of 5 to 15 s and what they are made of.

    Real recordings, if any are at hand, are joined and cut at fixed places; otherwise it is
    speech-like noise. Lengths are spread evenly, in random but fixed order.
    """
    folder = data_root() / "audio"
    found = sorted(p for p in folder.glob("*") if p.suffix in (".wav", ".mp3", ".flac"))
    if not found:
        return "speech-like noise", synthetic_items(count, shortest_s, longest_s)
    track = np.concatenate([load_audio(str(p), RATE, RATE) for p in found])
    random = np.random.default_rng(0)
    lengths = np.linspace(shortest_s, longest_s, count).round(2)
    random.shuffle(lengths)
    items = []
    for i, seconds in enumerate(lengths.tolist()):
        size = int(seconds * RATE)
        start = int(random.integers(0, len(track) - size))
        items.append(Item(f"cut-{i:02d}", track[start : start + size].copy(), seconds))
    return "cuts of real recordings", items
