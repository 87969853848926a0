"""What commands print: on streams that may be closed, broken, or know few characters."""

from __future__ import annotations

import contextlib
import sys
from typing import IO

__all__ = ["complain", "is_terminal", "put_line"]


def complain(message: str) -> None:
    """A line on the standard error, if there is one that can be written to."""
    # None: print would turn to the standard output, where results belong.
    if sys.stderr is not None:
        with contextlib.suppress(Exception):
            put_line(" ".join(message.split()), sys.stderr)


def put_line(line: str, out: IO[str]) -> None:
    """A line at once; characters that the stream's encoding lacks are written as escapes."""
    try:
        print(line, file=out, flush=True)
    except UnicodeEncodeError:
        encoding = getattr(out, "encoding", None) or "ascii"
        print(line.encode(encoding, "backslashreplace").decode(encoding), file=out, flush=True)


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody looks at it."""
    try:
        return stream is not None and stream.isatty()
    except Exception:  # closed, or a stand-in of somebody's own
        return False
