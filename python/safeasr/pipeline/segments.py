"""The segments of a recording in which somebody speaks, as they are found."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Merging", "Segment", "Segments", "Tail", "merge_segments"]

#: ``[start_ms, end_ms]``, in order.
Segments = list[list[int]]


class Segment(NamedTuple):
    """A piece of a recording.

    Attributes:
        start: where it begins in the recording, in ms.
        end: where it ends.
        samples: float32 (n,).
    """

    start: int
    end: int
    samples: NDArray[np.float32]


class Merging:
    """Puts neighbouring segments together, with the silence between them.

    As in FunASR (``utils/vad_utils.py``), segments are cut at their own edges only, so one may
    become longer; the first one begins at 0.
    """

    def __init__(self, longest_ms: int) -> None:
        """Of a recording that begins.

        Args:
            longest_ms: length up to which they are put together.
        """
        self._longest = longest_ms
        self._first: list[int] | None = None  # as it came, as long as it is the only one
        self._several = False
        self._begin = 0
        self._edge: int | None = None

    def add(self, segments: Iterable[list[int]]) -> Segments:
        """The next ones, ``[start_ms, end_ms]``; returns what nothing can be put to any more."""
        done: Segments = []
        for segment in segments:
            if self._first is None and not self._several:
                self._first = segment
                continue
            if self._first is not None:
                first, self._first, self._several = self._first, None, True
                done += self._add_edges(first)
            done += self._add_edges(segment)
        return done

    def _add_edges(self, segment: list[int]) -> Iterator[list[int]]:
        for edge in segment:
            if edge == self._edge:
                continue
            before, self._edge = self._edge, edge
            if before is None or edge - self._begin < self._longest:
                continue
            if before > self._begin:
                yield [self._begin, before]
            self._begin = before

    def end(self) -> Segments:
        """What is left at the end."""
        if self._first is not None:
            return [self._first]
        return [] if self._edge is None else [[self._begin, self._edge]]

    @property
    def needed_from(self) -> int:
        """Where the first segment that is not done yet may begin, in ms."""
        return self._begin


def merge_segments(segments: Segments, longest_ms: int) -> Segments:
    """All segments of a recording, put together; see :class:`Merging`."""
    merging = Merging(longest_ms)
    return [*merging.add(segments), *merging.end()]


class Tail:
    """The end of a recording's samples: what segments may still be cut out of."""

    def __init__(self, rate: int) -> None:
        """Nothing.

        Args:
            rate: of the samples in Hz.
        """
        self._per_ms = rate / 1000
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._begin = 0  # number of the first sample

    def add(self, samples: NDArray[np.float32]) -> None:
        """The next ones."""
        if len(samples):
            self._blocks.append(samples)

    def cut(self, start_ms: int, end_ms: int) -> NDArray[np.float32]:
        """The samples between two times of the recording, as far as there are any."""
        first = max(int(start_ms * self._per_ms) - self._begin, 0)
        last = int(end_ms * self._per_ms) - self._begin
        found = []
        at = 0
        for block in self._blocks:
            if at < last and first < at + len(block):
                found.append(block[max(first - at, 0) : last - at])
            at += len(block)
        if len(found) == 1:
            return found[0]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def forget(self, until_ms: int) -> None:
        """Keep nothing of what lies whole blocks before a time."""
        while self._blocks and self._begin + len(self._blocks[0]) <= until_ms * self._per_ms:
            self._begin += len(self._blocks.popleft())
