"""Checks of arguments that several methods have."""

from __future__ import annotations

import math
from typing import Any

from safeasr.options.kinds import FLAG, TIME_LIMIT, require

__all__ = ["flag", "time_limit"]

#: Beyond some thirty years nobody waits, and clocks would overflow.
_NO_LIMIT_S = 1e9


def time_limit(timeout: Any, name: str = "timeout") -> float | None:
    """A time limit in seconds; infinity where it is too far away to matter; None for None.

    Raises:
        OptionError: if it is no number of at least 0.
    """
    if timeout is None:
        return None
    limit = float(require(TIME_LIMIT, name, timeout))
    return math.inf if limit >= _NO_LIMIT_S else limit


def flag(name: str, value: Any) -> bool:
    """True or false; None is false.

    Raises:
        OptionError: if it is neither.
    """
    return value is not None and bool(require(FLAG, name, value))
