"""What goes wrong, as clients are told: a status, words for people, a code for programs.

Nothing of the server itself leaves it: no path, no key, no trace. What only an operator can mend is
logged with the request's number, and the client gets the number.
"""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from safeasr.errors import (
    AudioTooLongError,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    InputError,
    NotAllowedError,
    OptionError,
    QueueFullError,
    SafeASRError,
    UnsupportedModelError,
)

__all__ = ["Problem", "busy", "json_object", "problem_of"]

_INVALID: Final = "invalid_request_error"
_SERVER: Final = "server_error"
#: Which input of a call it is, which a client has only one of.
_PLACE: Final = re.compile(r"^input 0 \(key '.*?'\): ")


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - not every one is an error of somebody
    """A request that gets no transcript.

    Attributes:
        status: of HTTP.
        message: for people.
        code: for programs, such as "queue_full".
        type: in OpenAI's words.
        param: the field that is wrong, if it is one.
        retry_after_s: when it may be worth trying again.
    """

    status: int
    message: str
    code: str
    type: str = _INVALID
    param: str | None = None
    retry_after_s: int | None = None

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """As OpenAI's API has it."""
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Of an HTTP answer."""
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(self.retry_after_s)}


def busy(message: str, code: str, retry_after_s: int = 1) -> Problem:
    """The server has too much to do."""
    return Problem(503, message, code, _SERVER, retry_after_s=retry_after_s)


def json_object(text: str | bytes) -> dict[str, Any]:
    """A message of a client. Raises a Problem (400) unless it is a JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem(400, "the message is no JSON", "invalid_json") from None
    if not isinstance(found, dict):
        raise Problem(400, "the message is no JSON object", "invalid_json")
    return found


def problem_of(error: BaseException, request: str) -> Problem:
    """What a client is told of an error.

    Args:
        error: anything.
        request: the request's number, for what only the log explains.
    """
    if isinstance(error, Problem):
        return error
    words = _PLACE.sub("", " ".join(str(error).split()))
    if isinstance(error, QueueFullError):
        return busy("too many requests wait already", "queue_full")
    if isinstance(error, (EngineClosedError, CancelledError)):
        return busy("the server is stopping or reloads its model", "unavailable")
    if isinstance(error, DeadlineExceededError):
        return Problem(504, "it took too long", "deadline_exceeded", _SERVER)
    if isinstance(error, AudioTooLongError):
        return Problem(413, words, "audio_too_long", param="file")
    if isinstance(error, NotAllowedError):
        return Problem(403, "files and URLs of the server cannot be named", "not_allowed")
    if isinstance(error, InputError):
        return Problem(400, words, "invalid_audio", param="file")
    if isinstance(error, (OptionError, UnsupportedModelError)):
        return Problem(400, words, "invalid_option")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(507, "the server has no room for the upload", "no_space", _SERVER)
    kind = "inference_failed" if isinstance(error, SafeASRError) else "internal_error"
    return Problem(500, f"recognition failed; the server's log has it as {request}", kind, _SERVER)
