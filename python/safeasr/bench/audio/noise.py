"""Clips that are made up: noise that a recogniser has as much work with as with speech."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip

__all__ = ["noise_clips", "speech_like"]


def speech_like(seconds: float, seed: int, sample_rate: int = SAMPLE_RATE) -> NDArray[np.float32]:
    """Noise with the rhythm and the rough spectrum of speech: syllables, formants, pauses.

    Args:
        seconds: length.
        seed: of the random generator; the same seed gives the same samples.
        sample_rate: in Hz.

    Returns:
        Samples in [-1, 1], shape (seconds * sample_rate,).
    """
    random = np.random.default_rng(seed)
    count = int(seconds * sample_rate)
    spectrum = np.fft.rfft(random.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / sample_rate)
    shape = 1 / (1 + (hertz / 500) ** 2)
    for formant in (500, 1500, 2500):
        shape += 0.5 * np.exp(-(((hertz - formant * random.uniform(0.8, 1.2)) / 150) ** 2))
    wave = np.fft.irfft(spectrum * shape, count)
    # Syllables of 100 to 300 ms, of which one in six is silent.
    edges = np.cumsum(random.uniform(0.1, 0.3, int(seconds / 0.1) + 2))
    loudness = random.uniform(0.3, 1.0, edges.size) * (random.random(edges.size) > 1 / 6)
    place = np.searchsorted(edges, np.arange(count) / sample_rate)
    smooth = np.hanning(sample_rate // 20)
    envelope = np.convolve(loudness[place], smooth / smooth.sum(), mode="same")
    wave = wave * envelope + 1e-3 * random.standard_normal(count)
    return np.asarray(0.5 * wave / np.abs(wave).max(), dtype=np.float32)


def noise_clips(
    count: int, shortest_s: float = 5.0, longest_s: float = 15.0, seed: int = 0
) -> list[Clip]:
    """Clips of :func:`speech_like` noise, lengths in s spread evenly, in random order."""
    lengths = np.linspace(shortest_s, longest_s, count).round(2)
    np.random.default_rng(seed).shuffle(lengths)
    return [
        Clip(f"noise-{i:02d}", speech_like(float(length), seed * 1000 + i))
        for i, length in enumerate(lengths)
    ]
