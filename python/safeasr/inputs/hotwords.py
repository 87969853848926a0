"""Hotwords of a call: a string, a list, a file or a URL of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safeasr.errors import AudioError, HotwordError
from safeasr.inputs.download import download, is_url
from safeasr.options.declared import Options
from safeasr.text.hotword_pieces import Hotwords

__all__ = ["MOST_HOTWORDS", "read_hotwords", "with_hotwords_read"]

#: Words of one list. Each costs every utterance some time, and the first one much more.
MOST_HOTWORDS: Final = 10_000
#: Letters of one word.
_LONGEST: Final = 100
_MAX_BYTES: Final = 16 * 1024 * 1024
_ENDING = ".txt"


def read_hotwords(value: Any, deadline: float | None = None) -> Hotwords:
    """What an option ``hotword`` names.

    Args:
        value: words with whitespace between them; the path of a ``.txt`` file or an http(s) URL,
            with a hotword a line; or a list of hotwords. Blank ones do not count.
        deadline: time of the monotonic clock by which a download must have come; None: 30 s.

    Raises:
        HotwordError: if a file or URL cannot be read or is not UTF-8, or if there are too many
            words, or one is too long.
        DeadlineExceededError: if the deadline passed.
    """
    if isinstance(value, (list, tuple)):
        return _checked(Hotwords(value), "the list")
    if isinstance(value, os.PathLike):
        return _of_file(os.fspath(value))
    text = str(value)
    if is_url(text):
        return _of_url(text, deadline)
    if text.endswith(_ENDING):
        return _of_file(text)
    return _checked(Hotwords(text.split()), "the string")


def _of_file(path: Any) -> Hotwords:
    shown = f"the file {str(path)[:200]!r}"
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise HotwordError(f"hotword: {shown} cannot be read: {error}") from error
    if len(data) > _MAX_BYTES:
        raise HotwordError(f"hotword: {shown} is larger than {_MAX_BYTES} bytes")
    return _of_lines(data, shown)


def _of_url(url: str, deadline: float | None) -> Hotwords:
    try:
        data = download(url, max_bytes=_MAX_BYTES, deadline=deadline)
    except AudioError as error:
        raise HotwordError(f"hotword: {error}") from error
    return _of_lines(data, "what the URL gave")


def _of_lines(data: bytes, shown: str) -> Hotwords:
    try:
        # "utf-8-sig": a byte-order mark must not become part of the first word.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HotwordError(f"hotword: {shown} is not UTF-8 text: {error}") from error
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


def with_hotwords_read(
    given: Mapping[str, Any], options: Options, deadline: float | None = None
) -> Mapping[str, Any]:
    """Options of a call with the hotwords in them read, once for the whole call.

    Args:
        given: options of the call, checked.
        options: that the model understands.
        deadline: as of :func:`read_hotwords`.

    Raises:
        HotwordError: as :func:`read_hotwords`.
        DeadlineExceededError: if the deadline passed.
    """
    named = [
        name for name, option in options.items() if option.hotwords and given.get(name) is not None
    ]
    if not named:
        return given
    return {**given, **{name: read_hotwords(given[name], deadline) for name in named}}
