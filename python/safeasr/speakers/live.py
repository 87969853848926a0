"""The speakers of a stream: each segment is somebody's when it ends, and stays theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LiveSpeakers", "Turn"]


@dataclass(frozen=True, eq=False)
class Turn:
    """Whose a segment is.

    Attributes:
        speaker: their number, in the order in which they were first heard.
        likeness: cosine between the segment and what was heard of them before; 1.0 for somebody
            new.
        centre: float32 (size,): the mean direction of all their segments, this one among them.
    """

    speaker: int
    likeness: float
    centre: NDArray[np.float32]


class LiveSpeakers:
    """Who was heard so far.

    A recording's speakers are found once all of it is known. Here nothing that was said can be
    taken back, so a segment goes to the speaker whom it is most like, and to a new one if it is
    like nobody.
    """

    def __init__(self, alike: float) -> None:
        """Nobody yet.

        Args:
            alike: cosine from which on a segment is a known speaker's.
        """
        self._alike = alike
        self._sums: list[NDArray[np.float64]] = []

    def turn_of(self, embeddings: NDArray[np.float32]) -> Turn:
        """Whose a segment is; remembers it.

        Args:
            embeddings: float32 (windows, size), of at least one window.
        """
        directions = embeddings.astype(np.float64)
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
        heard = directions.sum(axis=0)
        likeness = [_cosine(heard, one) for one in self._sums]
        speaker = int(np.argmax(likeness)) if likeness else 0
        if not likeness or likeness[speaker] < self._alike:
            speaker = len(self._sums)
            self._sums.append(np.zeros_like(heard))
            likeness.append(1.0)
        self._sums[speaker] = self._sums[speaker] + heard
        centre = self._sums[speaker] / max(float(np.linalg.norm(self._sums[speaker])), 1e-12)
        return Turn(speaker, likeness[speaker], centre.astype(np.float32))


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
