"""The speakers of a stream: each segment is somebody's when it ends, and stays theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LiveSpeakers", "SegmentSpeaker"]


@dataclass(frozen=True, eq=False)
class SegmentSpeaker:
    """Whose a segment is.

    Attributes:
        number: of the speaker, in the order in which they were first heard.
        likeness: cosine between the segment and what was heard of them before; 1.0 for somebody
            new.
        centre: float32 (size,): the mean direction of all their segments, this one among them.
    """

    number: int
    likeness: float
    centre: NDArray[np.float32]


class LiveSpeakers:
    """Who was heard so far. Immutable: a chunk that fails leaves those of the one before.

    A recording's speakers are found once all of it is known. Here nothing that was said can be
    taken back, so a segment goes to the speaker whom it is most like, and to a new one if it is
    like nobody.
    """

    def __init__(self, alike: float, sums: tuple[NDArray[np.float64], ...] = ()) -> None:
        """Nobody yet, by default.

        Args:
            alike: cosine from which on a segment is a known speaker's.
            sums: of each speaker, the directions of their windows added up.
        """
        self._alike = alike
        self._sums = sums

    def with_segment(self, embeddings: NDArray[np.float32]) -> tuple[SegmentSpeaker, LiveSpeakers]:
        """Whose a segment is, and who is known after it.

        Args:
            embeddings: finite float32 (windows, size), of at least one window.
        """
        directions = embeddings.astype(np.float64)
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
        heard = directions.sum(axis=0)
        likeness = [_cosine(heard, one) for one in self._sums]
        number = int(np.argmax(likeness)) if likeness else 0
        if not likeness or likeness[number] < self._alike:
            number = len(self._sums)
            sums, alike = (*self._sums, heard), 1.0
        else:
            before, after = self._sums[:number], self._sums[number + 1 :]
            sums, alike = (*before, self._sums[number] + heard, *after), likeness[number]
        centre = sums[number] / max(float(np.linalg.norm(sums[number])), 1e-12)
        speaker = SegmentSpeaker(number, alike, centre.astype(np.float32))
        return speaker, LiveSpeakers(self._alike, sums)


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
