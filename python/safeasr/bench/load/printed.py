"""What a target prints: kept in a file, its beginning and its end, however much there is."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Final

__all__ = ["PrintedLog", "last_lines"]

#: Of the file's beginning and of its end so much is kept, in bytes, once it is longer than `MOST`.
KEPT: Final = 64 << 10
MOST: Final = 4 << 20
#: How often one looks how long it is, in s.
LOOK_S: Final = 0.5


class PrintedLog:
    """A file that takes what this process and its children print.

    A library that prints a line for each request would fill a disk in a soak of days. A pipe in its
    place would make the target wait for whoever empties it.
    """

    def __init__(self, path: Path) -> None:
        """Of a file that is made, or added to."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(path, flags, 0o600)
        self._left_out = 0

    def take_output(self) -> None:
        """Take standard output and standard error from now on, and keep the file short."""
        os.dup2(self._descriptor, 1)
        os.dup2(self._descriptor, 2)
        threading.Thread(target=self._look_after, daemon=True).start()

    def _look_after(self) -> None:
        never = threading.Event()
        while not never.wait(LOOK_S):
            with contextlib.suppress(OSError):  # such as a full disk
                self.shorten()

    def shorten(self) -> None:
        """Leave out the middle, if it is too long. What is printed in this moment may be lost."""
        size = os.fstat(self._descriptor).st_size
        if size <= MOST:
            return
        tail = os.pread(self._descriptor, KEPT, size - KEPT)
        self._left_out += size - 2 * KEPT
        os.ftruncate(self._descriptor, KEPT)
        os.write(self._descriptor, b"\n[... %d bytes left out ...]\n" % self._left_out + tail)


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of such a file, as far as they are not long; none if there is no file."""
    with contextlib.suppress(OSError), path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        return log.read().decode(errors="replace").splitlines()[-count:]
    return []
