"""How requests to servers fail, each kind with a name that can be counted."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import Any

from safeasr.bench.targets.base import RefusedError
from safeasr.printable import printable

__all__ = [
    "BadAnswerError",
    "DisconnectedError",
    "RequestError",
    "TimedOutError",
    "refusal_or_failure",
    "server_error",
]

#: HTTP statuses with which a server says that it is full.
FULL = frozenset({429, 503})
#: Parts of the codes with which servers say so in messages of their own.
FULL_WORDS = ("full", "busy", "overload", "rate_limit", "too_many", "unavailable")
#: Of a server's message, so many characters are kept.
MESSAGE = 300


class RequestError(Exception):
    """A request that a server did not answer as it should.

    Attributes:
        kind: what it is counted as, such as "HTTP 500", "cannot connect", "closed 1006".
        message: what the server or the network said, fit for a terminal.
    """

    def __init__(self, kind: str, message: object = "") -> None:
        self.kind = kind
        self.message = printable(message, MESSAGE).strip()
        super().__init__(f"{kind}: {self.message}" if self.message else kind)

    def __reduce__(self) -> tuple[type[RequestError], tuple[str, str]]:
        return type(self), (self.kind, self.message)


class BadAnswerError(RequestError):
    """What came is not what the protocol has."""


class DisconnectedError(RequestError):
    """The connection ended before the answer was there."""


class TimedOutError(RequestError, asyncio.TimeoutError):
    """No answer within `Options.timeout_s`."""


def refusal_or_failure(status: int, message: object, retry_after: str | None) -> Exception:
    """What an HTTP status that is no success means.

    Args:
        status: such as 503.
        message: the server's words.
        retry_after: the header, in seconds or as a date.
    """
    kind = f"HTTP {status}"
    if status in FULL:
        return RefusedError(kind, printable(message, MESSAGE).strip(), _seconds(retry_after))
    return RequestError(kind, message)


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def server_error(error: Any) -> Exception:
    """An error that a server reports in a message of its protocol.

    Args:
        error: an object with `code` or `type`, and `message`; or plain words.
    """
    if not isinstance(error, dict):
        return RequestError("server error", error)
    code = error.get("code") or error.get("type") or "server error"
    kind = printable(code, 60)
    message = error.get("message", "")
    if kind.isdecimal():
        return refusal_or_failure(int(kind), message, error.get("retry_after"))
    if any(word in kind.lower() for word in FULL_WORDS):
        return RefusedError(
            kind, printable(message, MESSAGE), _seconds(str(error.get("retry_after")))
        )
    return RequestError(kind, message)
