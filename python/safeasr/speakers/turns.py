"""Turns of speakers, and whose each sentence is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Turn", "centres_of", "in_order", "turns_of", "with_speakers"]

#: Shorter turns go to a neighbour, in seconds.
_SHORTEST: Final = 0.7
#: What overlaps by less only looks so, in seconds.
_NOTHING: Final = 1e-4


@dataclass
class Turn:
    """Who speaks when.

    Attributes:
        start: in seconds of the recording.
        end: the same.
        speaker: number, from 0.
    """

    start: float
    end: float
    speaker: int


def in_order(labels: Iterable[int]) -> NDArray[np.int64]:
    """The labels numbered anew, in the order in which they first come."""
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(int(one), len(numbers)) for one in labels], np.int64)


def centres_of(embeddings: NDArray[np.float32], speakers: NDArray[np.int64]) -> NDArray[np.float32]:
    """The mean embedding of each speaker, (speakers, size).

    Args:
        embeddings: of the windows, (windows, size).
        speakers: of the windows, numbered without gaps.
    """
    return np.stack(
        [embeddings[speakers == i].mean(axis=0) for i in range(int(speakers.max()) + 1)]
    )


def turns_of(spans: Sequence[tuple[float, float]], speakers: Iterable[int]) -> list[Turn]:
    """The turns that windows add up to; at least one window.

    As in FunASR (``models/campplus/utils.py``): overlaps are cut in the middle, and very short
    turns belong to whoever speaks beside them.

    Args:
        spans: beginnings and ends of the windows, in seconds, in order.
        speakers: of the windows.
    """
    turns = _joined(
        Turn(start, end, int(who)) for (start, end), who in zip(spans, speakers, strict=True)
    )
    for before, turn in pairwise(turns):
        if before.end > turn.start + _NOTHING:
            before.end = turn.start = (turn.start + before.end) / 2
    return _without_short_ones(turns) if len(turns) > 1 else turns


def _joined(turns: Iterable[Turn]) -> list[Turn]:
    joined: list[Turn] = []
    for turn in turns:
        last = joined[-1] if joined else None
        if last is None or turn.speaker != last.speaker or turn.start > last.end:
            joined.append(turn)
        else:
            last.end = turn.end
    return joined


def _without_short_ones(turns: list[Turn]) -> list[Turn]:
    for i, turn in enumerate(turns):
        turn.start, turn.end = round(turn.start, 2), round(turn.end, 2)
        if turn.end - turn.start >= _SHORTEST:
            continue
        before = turns[i - 1] if i > 0 else None
        behind = turns[i + 1] if i + 1 < len(turns) else None
        if before is None or behind is None:
            nearest = before or behind
        else:  # the one behind is not rounded yet, nor is it in FunASR
            nearer = turn.start - before.end <= behind.start - turn.end
            nearest = before if nearer else behind
        assert nearest is not None  # there are two turns at least
        turn.speaker = nearest.speaker
    return _joined(turns)


def with_speakers(
    sentences: Iterable[Mapping[str, Any]], turns: Sequence[Turn]
) -> list[dict[str, Any]]:
    """The sentences, each with ``spk``: the speaker whose turns cover most of it; 0 if none do.

    Args:
        sentences: with ``start`` and ``end`` in ms.
        turns: in order.
    """
    starts = np.array([turn.start * 1000 for turn in turns])
    ends = np.array([turn.end * 1000 for turn in turns])
    speakers = [turn.speaker for turn in turns]
    named = []
    for one in sentences:
        overlaps = np.minimum(ends, one["end"]) - np.maximum(starts, one["start"])
        near = np.flatnonzero(overlaps > 0)
        shares = ((speakers[i], float(overlaps[i])) for i in near)
        named.append({**one, "spk": _speaker_of(shares)})
    return named


def _speaker_of(shares: Iterable[tuple[int, float]]) -> int:
    found, most = 0, 0.0
    for speaker, overlap in shares:
        if overlap > most:
            found, most = speaker, overlap
        # The first one counts twice, and later turns of its speaker are added to it: FunASR's way.
        if speaker == found:
            most += overlap
    return found
