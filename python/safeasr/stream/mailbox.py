"""A queue that threads and asyncio tasks can wait on alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from safeasr.calls.future import Future
from safeasr.calls.os_threads import allocate_lock
from safeasr.calls.promise import Promise

__all__ = ["Mailbox"]

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Items in order, each for one reader. Waiting costs no thread: readers get futures."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._items: deque[_T] = deque()
        self._readers: deque[Promise] = deque()
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
            if reader.start():  # else it does not wait any more
                reader.resolve(item)
                return

    def get(self) -> Future[_T | None]:
        """A future of the next item; of None once the mailbox is closed and empty."""
        reader = Promise()
        future: Future[_T | None] = Future([reader], reader.get)
        with self._lock:
            if not self._items and not self._closed:
                self._readers.append(reader)
                return future
            item = self._items.popleft() if self._items else None
        reader.resolve(item)
        return future

    def give_up(self, future: Future[_T | None]) -> None:
        """The reader does not wait any more; what it was given meanwhile goes to the next one."""

        def pass_on(done: Future[_T | None]) -> None:
            item = done.result()
            if item is not None:
                self.put_back(item)

        if not future.cancel():
            future.add_done_callback(pass_on)

    def close(self) -> None:
        """Nothing will come any more."""
        with self._lock:
            self._closed = True
            readers = list(self._readers)
            self._readers.clear()
        for reader in readers:
            if reader.start():
                reader.resolve(None)
