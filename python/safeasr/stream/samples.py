"""What may be fed to a live stream, as samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError
from safeasr.inputs.arrays import bytes_or_array
from safeasr.inputs.audio import load_audio
from safeasr.inputs.pcm import decode_pcm16

__all__ = ["as_samples"]


def as_samples(samples: Any, fs: int) -> NDArray[np.float32]:
    """Samples (n,) at the rate at which they came; n may be 0.

    Args:
        samples: float32 or int16 array (n,), tensor, list of floats, or bytes of 16-bit PCM.
        fs: their rate in Hz.

    Raises:
        AudioError: if they are no samples.
    """
    if isinstance(samples, (bytes, bytearray, memoryview)):
        samples = bytes_or_array(samples)
        if not isinstance(samples, np.ndarray):
            return decode_pcm16(samples)
    if isinstance(samples, (list, tuple)) and not samples:
        return np.zeros(0, np.float32)
    if isinstance(samples, str) or hasattr(samples, "read") or hasattr(samples, "__fspath__"):
        raise AudioError(
            f"a stream takes samples, got {type(samples).__name__}: decode files first, or "
            "give them to generate"
        )
    wave: NDArray[np.float32] = load_audio(samples, fs, fs, allow_empty=True)
    return wave
