"""The time of one download."""

from __future__ import annotations

import time
from typing import Final

from safeasr.deadlines import require_time, seconds_left

__all__ = ["Clock", "OutOfTimeError"]

#: How often a wait looks whether anybody still wants the download, in seconds.
_LOOK_S: Final = 0.2


class OutOfTimeError(Exception):
    """A download's own time limit has passed."""


class Clock:
    """The time of one download."""

    def __init__(self, limit_s: float, deadline: float | None) -> None:
        """Begin to count.

        Args:
            limit_s: the longest that it may take, in seconds.
            deadline: of the call that wants it, a time of the monotonic clock; None: no limit.
        """
        self._end = time.monotonic() + limit_s
        self._deadline = deadline

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            OutOfTimeError: if none are.
            DeadlineExceededError: if the call's deadline has passed.
            CancelledError: if the call was cancelled.
        """
        require_time(self._deadline)
        left = self._end - time.monotonic()
        if left <= 0:
            raise OutOfTimeError
        of_call = seconds_left(self._deadline)
        return left if of_call is None else min(left, max(of_call, 0.001))

    def slice(self) -> float:
        """How long to wait before looking again; raises as :meth:`left`."""
        return min(self.left(), _LOOK_S)

    def sleep(self, seconds: float) -> None:
        """Pause; raises as :meth:`left`."""
        end = time.monotonic() + seconds
        while (pause := end - time.monotonic()) > 0:
            time.sleep(min(pause, self.slice()))
