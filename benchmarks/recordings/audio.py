"""Recordings of any length, made of cuts of speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from benchmarks.common.audio import long_clips
from safeasr.bench.audio.clips import SAMPLE_RATE

__all__ = ["write_recording"]


def write_recording(path: Path, seconds: float) -> str:
    """Turns of speech with pauses between them; returns what they are made of."""
    kind, items = long_clips(60)
    random = np.random.default_rng(1)
    left = int(seconds * SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        while left > 0:
            turn = items[int(random.integers(len(items)))].samples[:left]
            file.write(turn)
            pause = min(int(random.uniform(0.2, 1.5) * SAMPLE_RATE), left - len(turn))
            file.write(np.zeros(pause, "float32"))
            left -= len(turn) + pause
    return kind
