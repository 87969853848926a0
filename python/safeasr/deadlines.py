"""Deadlines of calls: times of the monotonic clock, None where there is no limit.

Here, and nowhere else, a number of seconds becomes a deadline, and a deadline seconds: so that
whatever a caller takes for a number of seconds fits what waits for it, which counts nanoseconds in
64 bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from safeasr.errors import CancelledError, DeadlineExceededError

__all__ = ["LONGEST_S", "deadline_after", "require_time", "seconds_left", "unless"]

#: Waits are no longer than this, in seconds: about 30 years.
LONGEST_S: Final = 1e9

_given_up: ContextVar[Callable[[], bool] | None] = ContextVar("safeasr_given_up", default=None)


def deadline_after(seconds: Any, name: str = "timeout") -> float | None:
    """When a time limit that begins now ends.

    Args:
        seconds: a real number of any type, infinity too; None: no limit.
        name: of the argument, for messages.

    Returns:
        A time of the monotonic clock; None for no limit, also for one that nobody will live to see.

    Raises:
        ValueError: if it is no number of seconds.
    """
    if seconds is None:
        return None
    try:
        # A str would be taken for the number that it spells.
        limit = math.nan if isinstance(seconds, (str, bytes, bool)) else float(seconds)
    except OverflowError:  # a whole number beyond all floats
        limit = math.inf if seconds > 0 else -math.inf
    except (TypeError, ValueError):
        limit = math.nan
    if math.isnan(limit):
        raise ValueError(f"{name} must be a number of seconds, got {seconds!r}")
    return None if limit >= LONGEST_S else time.monotonic() + limit


def seconds_left(deadline: float | None) -> float | None:
    """Seconds until a deadline, from 0 to :data:`LONGEST_S`; None for no limit."""
    if deadline is None:
        return None
    return min(max(0.0, float(deadline) - time.monotonic()), LONGEST_S)


def require_time(deadline: float | None) -> None:
    """Raise if a deadline has passed while audio was being read, or nobody waits for it any more.

    Raises:
        DeadlineExceededError: if it has.
        CancelledError: under :func:`unless`, if the work was given up.
    """
    given_up = _given_up.get()
    if given_up is not None and given_up():
        raise CancelledError("the call was cancelled while the audio was being read")
    if deadline is not None and time.monotonic() >= deadline:
        raise DeadlineExceededError("the timeout passed while the audio was being read")


@contextmanager
def unless(given_up: Callable[[], bool]) -> Iterator[None]:
    """Within it, :func:`require_time` on this thread raises once ``given_up()`` is true."""
    before = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(before)
