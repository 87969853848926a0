"""A queue that threads and asyncio tasks can wait on alike."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Mailbox"]

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Items in order, each for one reader. Waiting costs no thread: readers get futures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[_T] = deque()
        self._readers: deque[Future[_T | None]] = deque()
        self._closed = False

    def put(self, item: _T) -> None:
        """Hand an item to the reader that waits longest, or keep it."""
        self._hand_over(item, self._items.append)

    def put_back(self, item: _T) -> None:
        """An item that its reader could not use: it is the next one again."""
        self._hand_over(item, self._items.appendleft)

    def _hand_over(self, item: _T, keep: Callable[[_T], None]) -> None:
        while True:
            with self._lock:
                if not self._readers:
                    keep(item)
                    return
                reader = self._readers.popleft()
            if reader.set_running_or_notify_cancel():  # else it does not wait any more
                reader.set_result(item)
                return

    def get(self) -> Future[_T | None]:
        """A future of the next item; of None once the mailbox is closed and empty."""
        reader: Future[_T | None] = Future()
        with self._lock:
            if not self._items and not self._closed:
                self._readers.append(reader)
                return reader
            item = self._items.popleft() if self._items else None
        reader.set_result(item)
        return reader

    def give_up(self, reader: Future[_T | None]) -> None:
        """The reader does not wait any more; what it was given meanwhile goes to the next one."""

        def pass_on(done: Future[_T | None]) -> None:
            item = done.result()
            if item is not None:
                self.put_back(item)

        if not reader.cancel():
            reader.add_done_callback(pass_on)

    def close(self) -> None:
        """Nothing will come any more."""
        with self._lock:
            self._closed = True
            readers = list(self._readers)
            self._readers.clear()
        for reader in readers:
            if reader.set_running_or_notify_cancel():
                reader.set_result(None)
