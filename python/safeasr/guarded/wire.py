"""Messages between two processes, over two pipes. Arrays go as they are, without a copy of them.

The other process has the rights of this one and runs code that this one chose, so messages are
pickled: what keeps strangers out lies elsewhere (SECURITY.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pickle
import struct
from typing import Any, Final

__all__ = ["Channel"]

#: Linux's F_SETPIPE_SZ, which Python has a name for from 3.10 on, and how much pipes shall hold.
_SET_PIPE_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_PIPE_BYTES: Final = 1 << 20
#: Of a message: how many parts it has; then the size of each.
_COUNT: Final = struct.Struct("<Q")


class Channel:
    """This process's end of two pipes. One thread sends and receives."""

    #: Whether a message broke off in its middle: what follows means nothing.
    broken = False

    def __init__(self, reader: int, writer: int) -> None:
        """Take two descriptors; they are closed by :meth:`close`.

        Args:
            reader: messages come from here.
            writer: messages go there.
        """
        self.reader, self._writer = reader, writer
        self._open = True
        for one in (reader, writer):
            with contextlib.suppress(OSError):  # the user's limit for pipes is reached
                fcntl.fcntl(one, _SET_PIPE_SIZE, _PIPE_BYTES)

    def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            OSError: if nobody reads.
            Exception: if it cannot be pickled; nothing is sent then.
        """
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(message, 5, buffer_callback=buffers.append)
        parts = [memoryview(head), *(one.raw() for one in buffers)]
        sizes = b"".join(_COUNT.pack(part.nbytes) for part in parts)
        self.broken = True
        for part in (memoryview(_COUNT.pack(len(parts)) + sizes), *parts):
            self._write(part)
        self.broken = False

    def _write(self, part: memoryview) -> None:
        while part.nbytes:
            part = part[os.write(self._writer, part) :]

    def receive(self) -> Any:
        """The next message.

        Raises:
            EOFError: if the other process is gone.
            Exception: if it cannot be unpickled; the next one can be received all the same.
        """
        self.broken = True
        (count,) = _COUNT.unpack(self._read(_COUNT.size))
        sizes = self._read(_COUNT.size * count)
        head, *buffers = [self._read(size) for (size,) in _COUNT.iter_unpack(sizes)]
        self.broken = False
        return pickle.loads(head, buffers=buffers)

    def _read(self, size: int) -> bytearray:
        found = bytearray(size)
        rest = memoryview(found)
        while rest.nbytes:
            got = os.readv(self.reader, [rest])
            if got == 0:
                raise EOFError("the other process is gone")
            rest = rest[got:]
        return found

    def close(self) -> None:
        """Close both pipes: the other process hears of it. May be called more than once."""
        if self._open:
            self._open = False
            os.close(self.reader)
            os.close(self._writer)
