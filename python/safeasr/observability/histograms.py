"""Histograms of durations as ``stats()`` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

__all__ = ["BOUNDS_S", "histogram", "quantile"]

#: The engine's buckets: entry i of its counts holds durations under ``2**i`` us, the last the rest.
_FIRST, _LAST = 6, 27
#: Upper bounds that are told, in s: 64 us and the double of the one before, up to 134 s.
BOUNDS_S: Final = tuple(2.0**i * 1e-6 for i in range(_FIRST, _LAST + 1))


def quantile(share: float, counts: Sequence[int]) -> float | None:
    """The duration that a share of all are not longer than, about; None if there are none.

    Args:
        share: above 0, at most 1.
        counts: of the engine's buckets.

    Returns:
        Seconds, as if durations lay evenly within a bucket: off by less than its width, a factor of
        two.
    """
    wanted, below = share * sum(counts), 0
    for i, count in enumerate(counts):
        if count and below + count >= wanted:
            low = 2.0 ** (i - 1) if i else 0.0
            return (low + (2.0**i - low) * (wanted - below) / count) * 1e-6
        below += count
    return None


def histogram(sum_s: float, counts: Sequence[int]) -> dict[str, Any]:
    """A histogram as a plain dict.

    Args:
        sum_s: of all durations, in seconds.
        counts: of the engine's buckets.

    Returns:
        count; sum_s; buckets, ``[[le_s, how many were shorter], ...]`` with the bounds of
        :data:`BOUNDS_S`, what is longer than all of them in ``count`` alone; p50_s and p95_s, by
        :func:`quantile`.
    """
    shorter = list(accumulate(counts))
    return {
        "count": shorter[-1] if shorter else 0,
        "sum_s": sum_s,
        "buckets": [
            [bound, shorter[i]]
            for i, bound in zip(range(_FIRST, _LAST + 1), BOUNDS_S, strict=True)
            if i < len(shorter)
        ],
        "p50_s": quantile(0.5, counts),
        "p95_s": quantile(0.95, counts),
    }
