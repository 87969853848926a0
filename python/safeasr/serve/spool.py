"""Audio that is collected before it is recognised: in memory while it is small, then on disk."""

from __future__ import annotations

import asyncio
import tempfile
from typing import IO, Final

from safeasr.serve.problems import Problem, busy
from safeasr.serve.settings import Limits

__all__ = ["Spool", "SpoolRoom"]

#: Of one spool.
_IN_MEMORY: Final = 8 << 20
#: Of all spools together.
_ALL_IN_MEMORY: Final = 256 << 20


class SpoolRoom:
    """How much audio all clients together have handed over. Belongs to one event loop."""

    def __init__(self, limits: Limits) -> None:
        """All of it is free.

        Args:
            limits: see there.
        """
        self._limits = limits
        #: Bytes that are kept now.
        self.kept = 0
        #: Those of them that spools keep in memory.
        self.in_memory = 0

    def take(self, size: int) -> None:
        """Keep more bytes.

        Raises:
            Problem: there is no room for them (503).
        """
        if self.kept + size > self._limits.max_kept_bytes:
            raise busy("the server holds as much audio as it may", "server_full", 5)
        self.kept += size

    def give_back(self, size: int) -> None:
        """So many bytes are not kept any more."""
        self.kept -= size

    def spool(self) -> Spool:
        """An empty spool for a websocket connection."""
        return Spool(self, self._limits.max_buffered_bytes)


class Spool:
    """Bytes that are written once and then read. Belongs to one event loop."""

    def __init__(self, room: SpoolRoom, most: int) -> None:
        """Empty.

        Args:
            room: that all spools share.
            most: bytes that it takes.
        """
        self._room = room
        self._most = most
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._on_disk = False
        self._kept = 0
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Append; the event loop does not wait for a disk.

        Raises:
            Problem: there is too much of it, here or in all spools.
            OSError: the disk is full.
        """
        if self.size + len(data) > self._most:
            raise Problem(413, f"more than {self._most} bytes", "too_large")
        self._room.take(len(data))
        self._kept += len(data)
        self.size += len(data)
        if not self._on_disk and self._is_too_much_for_memory(len(data)):
            self._on_disk = True
            self._room.in_memory -= self.size - len(data)
        if self._on_disk:
            await asyncio.to_thread(self._write_to_disk, data)
        else:
            self._room.in_memory += len(data)
            self._file.write(data)

    def _is_too_much_for_memory(self, more: int) -> bool:
        return self.size > _IN_MEMORY or self._room.in_memory + more > _ALL_IN_MEMORY

    def _write_to_disk(self, data: bytes) -> None:
        self._file.rollover()  # type: ignore[attr-defined]
        self._file.write(data)

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
        self._room.give_back(self._kept)
        if not self._on_disk:
            self._room.in_memory -= self._kept
        self._kept = 0
