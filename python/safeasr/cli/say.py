"""What commands print: on streams that may be closed, broken, or know few characters."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from typing import IO, Any

__all__ = ["complain", "complain_of_parts", "is_terminal", "put", "put_line"]


def complain(message: str) -> None:
    """A line on the standard error, if there is one that can be written to."""
    # None: print would turn to the standard output, where results belong.
    if sys.stderr is not None:
        with contextlib.suppress(Exception):
            put_line(" ".join(message.split()), sys.stderr)


def complain_of_parts(name: str, errors: Iterable[Mapping[str, Any]]) -> None:
    """The ``errors`` of a result: parts of an input on which a network failed."""
    for one in errors:
        when = f", {one['start']} to {one['end']} ms" if "start" in one else ""
        complain(f"error: {name}{when}: {one['error']}")


def put_line(line: str, out: IO[str]) -> None:
    """A line at once; characters that the stream's encoding lacks are written as escapes."""
    put(line + "\n", out)


def put(text: str, out: IO[str]) -> None:
    """The same of a piece of a line."""
    try:
        out.write(text)
    except UnicodeEncodeError:
        encoding = getattr(out, "encoding", None) or "ascii"
        out.write(text.encode(encoding, "backslashreplace").decode(encoding))
    out.flush()


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody looks at it."""
    try:
        return stream is not None and stream.isatty()
    except Exception:  # closed, or a stand-in of somebody's own
        return False
