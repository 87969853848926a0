"""Sound for the tests: synthetic and speech-like, and real recordings where there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.paths import DATA

Samples = NDArray[np.float32]


def speech(seconds: float, seed: int = 0, rate: int = 16000) -> Samples:
    """Syllables of gliding harmonics between pauses and noise: loud, soft and silent parts."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    t = np.arange(count) / rate
    pitch = 120 + 80 * np.sin(2 * np.pi * (0.7 * t + rng.random()))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    syllables = np.clip(np.sin(2 * np.pi * (2.5 * t + rng.random())) + 0.4, 0, 1)
    pauses = np.sin(2 * np.pi * (0.3 * t + rng.random())) > -0.7
    wave = np.zeros(count)
    for harmonic in range(1, 25):
        # Formants that move: each harmonic has its own loudness over time.
        wander = np.sin(2 * np.pi * (rng.uniform(0.5, 3) * t + rng.random()))
        wave += (1 + wander) / harmonic * np.sin(harmonic * phase + rng.random())
    wave = 0.1 * wave * syllables * pauses + 0.003 * rng.standard_normal(count)
    return (wave / max(1.0, float(np.abs(wave).max(initial=0)))).astype(np.float32)


def recordings() -> list[Path]:
    """Real recordings: ``$SAFEASR_TEST_DATA``, or ``shared`` beside the repository; maybe none."""
    return sorted((DATA / "audio").glob("*.wav")) if DATA.is_dir() else []
