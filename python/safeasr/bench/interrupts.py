"""Ctrl-C, and SIGTERM, by which CI servers and `timeout` end a command: what they may cut short."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Both raise KeyboardInterrupt within this context, unless they are to wait; a context manager.

    What was measured must not be lost to a signal that comes while it is counted or written. Where
    signals wait, the first one is noted, and told to whom it concerns; a second one raises
    KeyboardInterrupt all the same. Outside of the main thread, which alone gets signals, nothing
    changes.

    Attributes:
        came: whether there was one.
    """

    def __init__(self) -> None:
        self.came = False
        self._told: Callable[[], None] | None = None
        self._before: list[Any] = []

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = [signal.signal(number, self._handle) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=False):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def wait(self, told: Callable[[], None] = lambda: None) -> None:
        """From now on signals wait; `told` is called by the first one, in a signal handler."""
        self._told = told

    @contextlib.contextmanager
    def waiting(self, told: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Signals wait in this block; see :meth:`wait`."""
        self.wait(told)
        try:
            yield
        finally:
            self._told = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        second, self.came = self.came, True
        if second or self._told is None:
            raise KeyboardInterrupt
        self._told()
