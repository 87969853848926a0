"""When one tries again, and when one gives up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from safeasr.server_errors import (
    BadRequestError,
    ServerBusyError,
    ServerError,
    ServerUnreachableError,
    UnauthorizedError,
)

__all__ = ["Retries"]

_FIRST_S: Final = 0.25
#: A server that was never reached is more likely a wrong address than a server that restarts.
_TRIES_OF_STRANGERS: Final = 3
_HOPELESS: Final = (BadRequestError, UnauthorizedError)
_MOMENTARY: Final = (ServerBusyError, ServerUnreachableError)
#: Not the program's own generator, which it may have seeded.
_random = random.SystemRandom()


class Retries:
    """The pauses between the attempts at one thing."""

    def __init__(
        self,
        limit_s: float,
        *,
        reached: bool,
        patient: bool = False,
        longest_s: float = 8.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with the first attempt.

        Args:
            limit_s: no attempt is begun later than so many seconds from now; 0: there is one.
            reached: whether the server has answered before, so that its address is right.
            patient: whether a server that failed may be asked again, too.
            longest_s: of the pauses that the server does not ask for, in seconds.
            clock: a monotonic one, in seconds.
        """
        self._clock = clock
        self._end = clock() + limit_s
        self._reached = reached
        self._patient = patient
        self._longest_s = longest_s
        self._tries = 0

    def pause(self, error: ServerError) -> float:
        """How long to wait before the next attempt, in seconds.

        Args:
            error: with which the last one failed.

        Raises:
            ServerError: the same error: another attempt would not help, or the time is over.
        """
        self._tries += 1
        if isinstance(error, _HOPELESS) or not (self._patient or isinstance(error, _MOMENTARY)):
            raise error
        self._reached |= isinstance(error, ServerBusyError)
        if not self._reached and self._tries >= _TRIES_OF_STRANGERS:
            raise error
        pause: float = min(self._longest_s, _FIRST_S * 2 ** min(self._tries - 1, 10))
        # Clients that lost one server together must not come to the next one together.
        pause *= _random.uniform(0.5, 1.0)
        if error.retry_after_s is not None:
            pause = max(pause, error.retry_after_s * _random.uniform(1.0, 1.2))
        if self._clock() + pause > self._end:
            raise error
        return pause
