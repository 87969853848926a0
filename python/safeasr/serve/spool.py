"""Audio that is collected before it is recognised: in memory while it is small, then on disk."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO, Final

from safeasr.serve.problems import Problem

__all__ = ["Spool"]

_IN_MEMORY: Final = 8 << 20


class Spool:
    """Bytes that are written once and then read. Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        """Empty.

        Args:
            most: bytes that it takes.
        """
        self._most = most
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Append; the event loop does not wait for a disk.

        Raises:
            Problem: there is too much of it.
            OSError: the disk is full.
        """
        if self.size + len(data) > self._most:
            raise Problem(413, f"more than {self._most} bytes", "too_large")
        self.size += len(data)
        if self.size <= _IN_MEMORY:
            self._file.write(data)
        else:
            await asyncio.to_thread(self._file.write, data)

    def whole(self) -> IO[bytes]:
        """The file, to be read from its beginning."""
        self._file.seek(0)
        return self._file

    def samples(self) -> IO[bytes]:
        """The same of 16-bit samples; half a one at the end is none."""
        self.size -= self.size % 2
        self._file.truncate(self.size)
        return self.whole()

    def close(self) -> None:
        """Forget it."""
        self._file.close()
