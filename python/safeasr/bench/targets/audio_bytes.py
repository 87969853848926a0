"""Samples as servers take them: 16-bit PCM, alone or as a WAV file."""

from __future__ import annotations

import struct
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip

__all__ = ["OncePerClip", "pcm16", "wav"]

T = TypeVar("T")


def pcm16(samples: NDArray[np.float32]) -> bytes:
    """Samples (n,) in [-1, 1] as little-endian 16-bit integers; what lies outside is clipped.

    What was read from a 16-bit file comes out as it was.
    """
    scaled = samples * np.float32(32768.0)
    np.rint(scaled, out=scaled)
    np.minimum(scaled, np.float32(32767.0), out=scaled)
    np.maximum(scaled, np.float32(-32768.0), out=scaled)
    data: bytes = scaled.astype("<i2").tobytes()
    return data


def wav(samples: NDArray[np.float32]) -> bytes:
    """A WAV file of samples (n,), 16 kHz, one channel, 16 bits."""
    data = pcm16(samples)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16)
        + struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


class OncePerClip(Generic[T]):
    """What is made of each clip once, and kept for as long as the clip."""

    def __init__(self, make: Callable[[Clip], T]) -> None:
        self._make = make
        self._made: weakref.WeakKeyDictionary[Clip, T] = weakref.WeakKeyDictionary()

    def __call__(self, clip: Clip) -> T:
        """The one of this clip."""
        made = self._made.get(clip)
        if made is None:
            made = self._made[clip] = self._make(clip)
        return made
