"""Checks of single values: numbers that an argument must be."""

from __future__ import annotations

import math
from typing import Any

from safeasr.options.declared import Kind, number, whole

__all__ = ["not_negative", "positive"]

_POSITIVE = whole("a whole number of at least 1", least=1)
_NOT_NEGATIVE = number("a number that is not negative", least=0)


def _require(kind: Kind, name: str, value: Any) -> None:
    if not kind.accepts(value):
        raise ValueError(f"{name} must be {kind.words}, got {value!r}")


def positive(name: str, value: Any) -> int:
    """A positive whole number.

    Raises:
        ValueError: if it is not one; names the argument.
    """
    _require(_POSITIVE, name, value)
    return int(value)


def not_negative(name: str, value: Any) -> float:
    """A number of at least 0.

    Raises:
        ValueError: if it is not one; names the argument.
    """
    _require(_NOT_NEGATIVE, name, value)
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf
