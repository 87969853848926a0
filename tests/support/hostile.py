"""Values that nobody should give as an option, and that somebody will."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["HOSTILE"]


class _Unfriendly:
    """Fails however it is looked at."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        raise RuntimeError("no")


def _deep() -> Any:
    lists: list[Any] = []
    for _ in range(5000):
        lists = [lists]
    return lists


HOSTILE: dict[str, Any] = {
    "true": True,
    "false": False,
    "numpy true": np.bool_(True),
    "zero": 0,
    "minus one": -1,
    "2^62": 2**62,
    "2^70": 2**70,
    "-2^70": -(2**70),
    "5001 digits": 10**5000,
    "a half": 0.5,
    "1e308": 1e308,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "numpy float": np.float32(5),
    "numpy int": np.int64(3),
    "numpy nan": np.float64("nan"),
    "fraction": Fraction(1, 3),
    "decimal": Decimal(1),
    "complex": 1j,
    "empty str": "",
    "digit": "5",
    "NUL": "a\0b",
    "half a pair": "\ud800",
    "bytes": b"x",
    "empty list": [],
    "list": [1.5, 1.5, 1.5],
    "list beyond 64 bits": [0, 2**70, 5],
    "list of large": [0, 2**62, 5],
    "tuple": (1, "a"),
    "deep list": _deep(),
    "empty dict": {},
    "dict of numbers": {5: 1},
    "dict of deep": {"a": _deep()},
    "set": {1},
    "iterator": iter([1, 2, 3]),
    "array": np.zeros(3),
    "table": np.zeros((2, 2)),
    "object": object(),
    "function": len,
    "unfriendly": _Unfriendly(),
    "list of unfriendly": [_Unfriendly()],
}
