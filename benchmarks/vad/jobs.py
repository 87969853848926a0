"""The streams and recordings that are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.audio import RATE, long_items
from benchmarks.common.models import data_root
from safeasr.bench.closed_loop import speech_like
from safeasr.inputs.audio import load_audio

CHUNKS_MS = (60, 100, 200, 400)
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Job:
    """One stream.

    Attributes:
        name: of the recording.
        chunk_ms: length of a chunk.
        samples: the recording.
    """

    name: str
    chunk_ms: int
    samples: Samples

    def pieces(self) -> list[Samples]:
        """The recording in chunks."""
        size = RATE * self.chunk_ms // 1000
        return [self.samples[i : i + size] for i in range(0, len(self.samples), size)]


def recordings(count: int, seconds: float) -> tuple[str, list[tuple[str, Samples]]]:
    """Several recordings, and what they are."""
    kind, items = long_items(count, seconds * 0.75, seconds * 1.25)
    return kind, [(item.name, np.asarray(item.audio, np.float32)) for item in items]


def long_recording() -> tuple[str, Samples]:
    """About 70 s: FunASR's example, or noise with pauses."""
    file = data_root() / "audio" / "vad_example.wav"
    if file.is_file():
        return file.name, np.asarray(load_audio(str(file), RATE, RATE), np.float32)
    rng = np.random.default_rng(0)
    parts = []
    for seed in range(12):
        parts.append(speech_like(4.0, seed))
        parts.append((1e-3 * rng.standard_normal(RATE * 2)).astype(np.float32))
    return "speech-like noise", np.concatenate(parts)
