"""Text as an input."""

from __future__ import annotations

import os
from typing import Any, Final

from safeasr.errors import InputError
from safeasr.options.access import ANYTHING, Access
from safeasr.printable import quoted

__all__ = ["checked_text"]

#: Endings of files that hold speech, in lower case.
_RECORDINGS: Final = tuple(
    ".wav .mp3 .flac .m4a .mp4 .ogg .opus .aac .amr .wma .webm .pcm .aiff .caf".split()
)


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
