"""The streams and recordings that are measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.audio import long_clips
from benchmarks.common.models import data_root
from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.audio.noise import speech_like
from safeasr.inputs.audio import load_audio

CHUNKS_MS = (60, 100, 200, 400)
Samples = NDArray[np.float32]


def streams(count: int, seconds: float) -> tuple[str, list[Clip]]:
    """Several recordings as streams, each in chunks of all lengths, and what they are."""
    kind, found = long_clips(count, seconds * 0.75, seconds * 1.25)
    return kind, [
        Clip(f"{clip.name}, {chunk} ms", clip.samples, options={"chunk_ms": chunk})
        for chunk in CHUNKS_MS
        for clip in found
    ]


def pieces(samples: Samples, chunk_ms: int) -> list[Samples]:
    """A recording in chunks."""
    size = SAMPLE_RATE * chunk_ms // 1000
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def long_recording() -> tuple[str, Samples]:
    """About 70 s: FunASR's example, or noise with pauses."""
    file = data_root() / "audio" / "vad_example.wav"
    if file.is_file():
        return file.name, np.asarray(load_audio(str(file), SAMPLE_RATE, SAMPLE_RATE), np.float32)
    rng = np.random.default_rng(0)
    parts = []
    for seed in range(12):
        parts.append(speech_like(4.0, seed))
        parts.append((1e-3 * rng.standard_normal(SAMPLE_RATE * 2)).astype(np.float32))
    return "speech-like noise", np.concatenate(parts)
