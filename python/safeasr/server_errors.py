"""What goes wrong between a client and a server far away.

Beside :mod:`safeasr.errors`, whose classes are about this process; all derive from its
:class:`~safeasr.errors.SafeASRError`.
"""

from __future__ import annotations

from safeasr.errors import DeadlineExceededError, SafeASRError

__all__ = [
    "BadRequestError",
    "ServerBusyError",
    "ServerError",
    "ServerTimeoutError",
    "ServerUnreachableError",
    "UnauthorizedError",
]


class ServerError(SafeASRError, RuntimeError):
    """A server did not answer as it should, and none of the more exact classes fits.

    Base of what ``safeasr.client`` raises for requests and sessions: the server failed (HTTP 5xx),
    broke a session off, or said what is none of its protocol. The message is the server's own where
    it sent one. Look at the server's log; an error of the server's own names the request there.

    Attributes:
        status: of HTTP, such as 500; None: the server sent none.
        code: in the server's words, such as "queue_full"; None: it sent none.
        retry_after_s: when it may be worth trying again, in seconds; None: the server did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Say what happened."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


class ServerBusyError(ServerError):
    """A server has too much to do, or is stopping, and stayed so while the client tried again.

    Raised for the statuses 429 and 503, and for 502, which proxies send while no server stands
    behind them, once the time for retries is over; nothing of the request was done. Try again
    later, send less at a time, or give the client a longer ``retry_s``.
    """


class ServerTimeoutError(ServerError, DeadlineExceededError):
    """A server's answer did not come within the client's ``timeout``, or the server gave up itself.

    The request may have been worked on. Give a longer ``timeout``, send shorter audio, or ask for
    less at a time. It is a ``DeadlineExceededError``, and so a ``TimeoutError``, too.
    """


class ServerUnreachableError(ServerError, ConnectionError):
    """There is no connection to a server, or it broke and could not be made again.

    Raised when nobody listens at the address, its name is unknown, its certificate is not trusted,
    or the connection was lost and the time for retries is over. Check the address, and whether the
    server runs. It is a ``ConnectionError``, and so an ``OSError``, too.
    """


class UnauthorizedError(ServerError, PermissionError):
    """A server wants an API key, or takes the one that was given for wrong.

    Raised for the statuses 401 and 403, at once: to try again would not help. Give the client one
    of the server's keys (``api_key``). It is a ``PermissionError`` too.
    """


class BadRequestError(ServerError, ValueError):
    """A server refuses what was sent: audio that it cannot read, an option, a model's name.

    Raised for the other statuses of the kind 4xx, at once; the message is the server's and names
    what is wrong. Correct the request; others are not affected. It is a ``ValueError`` too.
    """
