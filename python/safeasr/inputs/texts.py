"""Text as an input."""

from __future__ import annotations

import os
from typing import Any, Final

from safeasr.errors import InputError
from safeasr.options.access import ANYTHING, Access
from safeasr.printable import quoted

__all__ = ["checked_text", "names_file", "text_or_file"]

#: Endings of files that hold speech, in lower case.
_RECORDINGS: Final = tuple(
    ".wav .mp3 .flac .m4a .mp4 .ogg .opus .aac .amr .wma .webm .pcm .aiff .caf".split()
)

#: Of a file that holds one text.
_MOST_BYTES: Final = 16 << 20


def names_file(text: str) -> bool:
    """Whether a text is the path of a file that is there; of a model that may open files."""
    return os.path.isfile(text)


def text_or_file(text: str, access: Access = ANYTHING) -> str:
    """A text, or what the file holds that it names, without white space around it.

    Args:
        text: what came.
        access: where no paths may be named, nothing is looked up on the disk.

    Raises:
        InputError: as :func:`checked_text`; or the file cannot be read, is larger than 16 MiB or
            not UTF-8.
    """
    text = checked_text(text, access)
    if not access.paths or not names_file(text):
        return text
    try:
        with open(text, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"the text {quoted(text)} cannot be read: {error.strerror}") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"the text {quoted(text)} is larger than {_MOST_BYTES} bytes")
    problem = None
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is {data[error.start]:#04x}"
    # Raised here: the decoder's error holds the whole file.
    raise InputError(f"the text {quoted(text)} is not UTF-8: {problem}")


def checked_text(item: Any, access: Access = ANYTHING) -> str:
    """The item, if it is text.

    A URL is text like any other: nothing is downloaded. So is a path, but for that of a recording,
    which is a mistake.

    Args:
        item: what came.
        access: where no paths may be named, nothing is looked up on the disk.

    Raises:
        InputError: if it is no str, has half of a surrogate pair, or names a recording that is
            there.
    """
    if not isinstance(item, str):
        raise InputError(f"expected text (str), got {type(item).__name__}")
    if not item.isascii():
        try:
            item.encode()
        except UnicodeEncodeError as error:
            broken = ascii(item[error.start])
            raise InputError(
                f"expected text, got half of a surrogate pair ({broken}) at character {error.start}"
            ) from None
    if access.paths and item.lower().endswith(_RECORDINGS) and os.path.isfile(item):
        raise InputError(f"expected text, got the path of a recording: {quoted(item)}")
    return item
