"""The windows of a recording's speech, each of which gets an embedding of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Window", "windows_of"]

LENGTH_S: Final = 1.5
SHIFT_S: Final = 0.75


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of a segment.

    Attributes:
        start: in seconds of the recording.
        end: the same; where the segment is shorter than a window, its end.
        samples: float32 (1.5 s,); zeros behind the end of a short segment.
    """

    start: float
    end: float
    samples: NDArray[np.float32]


def windows_of(start_s: float, samples: NDArray[np.float32], rate: int) -> Iterator[Window]:
    """The windows of a segment, in order.

    As in FunASR (``models/campplus/utils.py``), each overlaps half of the one before, and the last
    one ends with the segment.

    Args:
        start_s: beginning of the segment in the recording, in seconds.
        samples: of the segment.
        rate: of the samples in Hz.
    """
    length, shift = int(LENGTH_S * rate), int(SHIFT_S * rate)
    end = 0
    for first in range(0, len(samples), shift):
        if end == len(samples):
            return
        end = min(first + length, len(samples))
        begin = max(0, end - length)
        piece = samples[begin:end]
        if len(piece) < length:
            piece = np.pad(piece, (0, length - len(piece)))
        yield Window(begin / rate + start_s, end / rate + start_s, piece)
