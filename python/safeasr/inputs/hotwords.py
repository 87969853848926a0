"""Hotwords of a call: a string, a list, a file or a URL of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from safeasr.errors import AudioError, HotwordError, NotAllowedError
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, download
from safeasr.inputs.urls import is_url, shown_url
from safeasr.options.access import ANYTHING, Access
from safeasr.options.declared import Options
from safeasr.printable import quoted
from safeasr.text.hotword_pieces import Hotwords

__all__ = ["MOST_HOTWORDS", "names_urls", "read_hotwords", "with_hotwords_read"]

#: Words of one list. Each costs every utterance some time, and the first one much more.
MOST_HOTWORDS: Final = 10_000
#: Letters of one word.
_LONGEST: Final = 100
_MAX_BYTES: Final = 16 * 1024 * 1024
_ENDING: Final = ".txt"


def read_hotwords(
    value: Any,
    *,
    deadline: float | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    access: Access = ANYTHING,
) -> Hotwords:
    """What an option ``hotword`` names.

    Args:
        value: words with whitespace between them; the path of a ``.txt`` file or an http(s) URL,
            with a hotword a line; or a list of hotwords. Blank ones do not count.
        deadline: time of the monotonic clock by which a download must have come; None: no limit.
        timeout_s: the longest that a download may take in all, in seconds.
        max_bytes: the largest file or download, in bytes; 16 MB at most.
        access: which files and hosts may be named.

    Raises:
        HotwordError: if a file or URL cannot be read or is not UTF-8, or if there are too many
            words, or one is too long.
        NotAllowedError: if it names a file or URL that ``access`` does not allow.
        DeadlineExceededError: if the deadline passed.
    """
    limit = min(max_bytes, _MAX_BYTES)
    if isinstance(value, (list, tuple)):
        return _checked(Hotwords(value), "the list")
    if isinstance(value, str) and is_url(value):
        return _of_url(value, deadline, timeout_s, limit, access)
    if isinstance(value, os.PathLike) or str(value).endswith(_ENDING):
        access.require_path("the option hotword")
        return _of_file(value, limit)
    return _checked(Hotwords(str(value).split()), "the string")


def _of_file(path: Any, limit: int) -> Hotwords:
    shown = f"the file {quoted(str(path))}"
    try:
        # Nobody would ever write to some of the others.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise HotwordError(f"hotword: {shown} cannot be read: it is no regular file")
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except HotwordError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or "not a possible file name"
        raise HotwordError(f"hotword: {shown} cannot be read: {reason}") from error
    if len(data) > limit:
        raise HotwordError(f"hotword: {shown} is larger than {limit} bytes")
    return _of_lines(data, shown)


def _of_url(
    url: str, deadline: float | None, timeout_s: float, limit: int, access: Access
) -> Hotwords:
    try:
        data = download(url, timeout_s=timeout_s, max_bytes=limit, deadline=deadline, access=access)
    except NotAllowedError:
        raise
    except AudioError as error:
        raise HotwordError(f"hotword: {error}") from error
    return _of_lines(data, f"what {shown_url(url)} gave")


def _of_lines(data: bytes, shown: str) -> Hotwords:
    problem = None
    try:
        # "utf-8-sig": a byte-order mark must not become part of the first word.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is {data[error.start]:#04x}"
    if problem is not None:
        # Raised here: the decoder's error holds the whole file.
        raise HotwordError(f"hotword: {shown} is not UTF-8 text: {problem}")
    return _checked(Hotwords(text.splitlines()), shown)


def _checked(hotwords: Hotwords, shown: str) -> Hotwords:
    if len(hotwords.words) > MOST_HOTWORDS:
        raise HotwordError(
            f"hotword: {shown} has {len(hotwords.words)} words, expected {MOST_HOTWORDS} at most"
        )
    longest = max(hotwords.words, key=len, default="")
    if len(longest) > _LONGEST:
        raise HotwordError(
            f"hotword: {shown} has a word of {len(longest)} letters, {longest[:20]!r}..., "
            f"expected {_LONGEST} at most"
        )
    return hotwords


def _named(given: Mapping[str, Any], options: Options) -> Iterator[str]:
    for name, option in options.items():
        if option.hotwords and given.get(name) is not None:
            yield name


def names_urls(given: Mapping[str, Any], options: Options) -> bool:
    """Whether options of a call, checked, name hotwords that come over a network."""
    return any(isinstance(one := given[n], str) and is_url(one) for n in _named(given, options))


def with_hotwords_read(
    given: Mapping[str, Any],
    options: Options,
    *,
    deadline: float | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    access: Access = ANYTHING,
    operators: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Options of a call with the hotwords in them read, once for the whole call.

    Args:
        given: options of the call, checked.
        options: that the model understands.
        deadline: as of :func:`read_hotwords`.
        timeout_s: as of :func:`read_hotwords`.
        max_bytes: as of :func:`read_hotwords`.
        access: as of :func:`read_hotwords`.
        operators: options of the constructor: what they name is allowed.

    Raises:
        HotwordError: as :func:`read_hotwords`.
        NotAllowedError: as :func:`read_hotwords`.
        DeadlineExceededError: if the deadline passed.
    """
    own = operators or {}
    read = {
        name: read_hotwords(
            given[name],
            deadline=deadline,
            timeout_s=timeout_s,
            max_bytes=max_bytes,
            access=ANYTHING if own.get(name) == given[name] else access,
        )
        for name in _named(given, options)
    }
    return {**given, **read} if read else given
