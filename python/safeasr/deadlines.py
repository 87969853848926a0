"""Deadlines of calls: times of the monotonic clock, None where there is no limit."""

from __future__ import annotations

import time

from safeasr.errors import DeadlineExceededError

__all__ = ["require_time", "seconds_left"]


def seconds_left(deadline: float | None) -> float | None:
    """Seconds until a deadline, not below 0; None for no limit."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def require_time(deadline: float | None) -> None:
    """Raise if a deadline has passed while audio was being read.

    Raises:
        DeadlineExceededError: if it has.
    """
    if deadline is not None and time.monotonic() >= deadline:
        raise DeadlineExceededError("the timeout passed while the audio was being read")
