"""Live streams to look for keywords in."""

from __future__ import annotations

from itertools import product
from typing import Any

from support.audio import Samples, speech
from support.keywords import CALLS
from support.streaming import pieces_of, random_sizes

__all__ = ["WINDOWS", "live"]

#: Rows of windows, and chunks that are looked back at.
WINDOWS: list[dict[str, Any]] = [
    {"chunk_size": size, "encoder_chunk_look_back": back}
    for size, back in product(([4, 8, 4], [0, 10, 5], [3, 5, 0], [0, 6, 0]), (0, 2, -1))
]


def live(count: int, step: float = 0.03) -> list[tuple[list[tuple[Samples, bool]], dict[str, Any]]]:
    """Streams of all windows and lists, in pieces of all sizes. No two name words alike.

    Args:
        count: how many.
        step: how much longer each is than the one before, in s. In longer ones FunASR finds less
            (see ``CALLS``).
    """
    return [
        (
            pieces_of(
                speech(0.3 + step * i, seed=300 + i),
                random_sizes(i, 9000),
                empty_end=i % 3 == 0,
            ),
            {**WINDOWS[i % len(WINDOWS)], "keywords": _own(CALLS[i % len(CALLS)]["keywords"], i)},
        )
        for i in range(count)
    ]


def _own(keywords: Any, number: int) -> str:
    """The same keywords by other names: signs behind a character stand for no sound."""
    words = keywords.split(",") if isinstance(keywords, str) else keywords
    signs = "".join("。、"[int(bit)] for bit in f"{number:b}")
    return ",".join(word + signs if len(word) < 4 and word[0] > "z" else word for word in words)
