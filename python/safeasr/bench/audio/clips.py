"""What is said to the targets: recordings, their options and what they should give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE", "Clip"]

SAMPLE_RATE = 16000


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording of a load.

    Attributes:
        name: what results are counted under; unique in a load.
        samples: (n,) float32 in [-1, 1], 16 kHz, one channel.
        encoded: the file as the user has it, for targets that take files; None: a WAV of `samples`.
        filename: of `encoded`, with its suffix.
        reference: what is said in it, if the user knows.
        options: of the call, such as ``{"hotword": "..."}``.
    """

    name: str
    samples: NDArray[np.float32]
    encoded: bytes | None = None
    filename: str = "clip.wav"
    reference: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / SAMPLE_RATE
