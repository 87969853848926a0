"""Text from outside, made fit for messages and logs.

File names, keys, lines of list files and what servers answer may hold anything: escape codes that
move a terminal's cursor, line breaks that forge lines of a log, letters that turn the direction of
writing. Whatever of that goes into a message goes through here.
"""

from __future__ import annotations

from typing import Final

__all__ = ["printable", "quoted"]

#: Characters of a text that are shown.
SHOWN: Final = 200


def quoted(text: str, limit: int = SHOWN) -> str:
    """The text in quotes, on one line, its end cut off if it is long."""
    return repr(text if len(text) <= limit else text[:limit] + "...")


def printable(text: object, limit: int = SHOWN) -> str:
    """The same without the quotes, for whole sentences: what others' errors say."""
    whole = str(text)
    cut = whole if len(whole) <= limit else whole[:limit] + "..."
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut
    )
