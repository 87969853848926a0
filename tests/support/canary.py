"""Things that nobody may touch: a file whose opening and a port whose connecting is noticed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

_OPENED = 0x20  # IN_OPEN


class Canary:
    """Watches a file, by whatever library it may be opened, and a port of this machine."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            pytest.skip("only Linux tells who opens a file")
        self._events = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._events < 0 or libc.inotify_add_watch(self._events, bytes(path), _OPENED) < 0:
            pytest.skip("this system watches no files")
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.path = path
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/secret.wav"

    def touched(self) -> bool:
        """Whether anybody opened the file or connected since the last question."""
        with contextlib.suppress(BlockingIOError):
            if os.read(self._events, 4096):
                return True
        with contextlib.suppress(BlockingIOError):
            self._server.accept()[0].close()
            return True
        return False

    def close(self) -> None:
        """Stop watching."""
        os.close(self._events)
        self._server.close()


@contextlib.contextmanager
def watched(path: Path) -> Iterator[Canary]:
    """A canary for a file that exists."""
    canary = Canary(path)
    try:
        yield canary
    finally:
        canary.close()
