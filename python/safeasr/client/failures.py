"""What statuses, broken connections and close codes mean, as typed errors."""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from safeasr.printable import printable
from safeasr.server_errors import (
    BadRequestError,
    ServerBusyError,
    ServerError,
    ServerTimeoutError,
    ServerUnreachableError,
    UnauthorizedError,
)

__all__ = ["error_of_code", "error_of_response", "error_of_status", "error_of_transport"]

#: Statuses that may be others in a moment. 502 is of proxies with no server behind them just now.
_BUSY: Final = frozenset({429, 502, 503})
_TOO_LATE: Final = frozenset({408, 504})
#: Codes in messages of websockets, which carry no status.
_BUSY_CODES: Final = frozenset(
    "queue_full server_full draining unavailable model_unavailable rate_limit_exceeded".split()
)
_WRONG_CODES: Final = ("invalid", "unsupported", "mode_unavailable", "model_not_found")
_MESSAGE: Final = 500


def error_of_status(
    status: int, content: bytes, headers: Mapping[str, str], phrase: str = ""
) -> ServerError:
    """The error of an HTTP status.

    Args:
        status: 400 or more, or one that nobody expects.
        content: the answer's body: OpenAI's JSON, FastAPI's, or anything.
        headers: of the answer; names in small letters, or looked up without regard to that.
        phrase: the status in words, for answers without any.
    """
    message, code = _words(content)
    said = f"HTTP {status}: {message or phrase or 'no reason given'}"
    about: dict[str, Any] = {"status": status, "code": code}
    if status in _BUSY:
        return ServerBusyError(said, retry_after_s=_seconds(headers.get("retry-after")), **about)
    if status in (401, 403):
        return UnauthorizedError(said, **about)
    if status in _TOO_LATE:
        return ServerTimeoutError(said, **about)
    if 400 <= status < 500:
        return BadRequestError(said, **about)
    return ServerError(said, **about)


def error_of_response(response: httpx.Response) -> ServerError | None:
    """The error of an answer that was read; None: it is a success."""
    if response.is_success:
        return None
    return error_of_status(
        response.status_code, response.content, response.headers, response.reason_phrase
    )


def error_of_transport(error: httpx.TransportError, url: str, timeout_s: float) -> ServerError:
    """The error of a request that got no answer.

    Args:
        error: httpx's.
        url: of the server, for the message.
        timeout_s: how long was waited for the answer.
    """
    found: ServerError
    if isinstance(error, (httpx.ConnectTimeout, httpx.ConnectError)):
        found = ServerUnreachableError(f"{url} cannot be reached: {_reason(error)}")
    elif isinstance(error, httpx.TimeoutException):
        found = ServerTimeoutError(f"{url} did not answer within {timeout_s:g} s")
    else:
        found = ServerUnreachableError(f"the connection to {url} broke: {_reason(error)}")
    found.__cause__ = error  # it is raised later, when nothing more can be tried
    return found


def error_of_code(code: str, message: str) -> ServerError:
    """The error that a message of a websocket tells, which has a code but no status."""
    said = message or code
    if code.isdecimal() and len(code) == 3:
        return error_of_status(int(code), said.encode(), {})
    if code in _BUSY_CODES:
        return ServerBusyError(said, code=code)
    if code == "deadline_exceeded":
        return ServerTimeoutError(said, code=code)
    if code.startswith(_WRONG_CODES):
        return BadRequestError(said, code=code)
    return ServerError(said, code=code)


def _reason(error: Exception) -> str:
    return printable(error) or type(error).__name__


def _words(content: bytes) -> tuple[str, str | None]:
    """Message and code of an error, wherever they stand."""
    try:
        said: Any = json.loads(content)
    except (ValueError, RecursionError):
        return printable(content.decode("utf-8", "replace").strip(), _MESSAGE), None
    code = None
    if isinstance(said, dict):
        said = said.get("error", said.get("detail", said.get("message", said)))
    if isinstance(said, dict):
        code = said.get("code")
        said = said.get("message", said)
    return printable(said, _MESSAGE), None if code is None else printable(code, 60)


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header: a number of seconds, or a date."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
