"""A queue that threads and asyncio tasks can wait on alike."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from safeasr.calls.future import Future
from safeasr.calls.os_threads import allocate_rlock
from safeasr.calls.promise import Promise

__all__ = ["Mailbox"]

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Items in order, each for one reader. Waiting costs no thread: readers get futures."""

    def __init__(self) -> None:
        self._lock = allocate_rlock()
        self._items: deque[_T] = deque()
        self._readers: deque[Promise] = deque()
        self._closed = False

    def put(self, item: _T) -> None:
        """Hand an item to the reader that waits longest, or keep it."""
        with self._lock:
            self._items.append(item)
        self._hand_over()

    def put_back(self, item: _T) -> None:
        """An item that its reader could not use: it is the next one again."""
        with self._lock:
            self._items.appendleft(item)
        self._hand_over()

    def _hand_over(self) -> None:
        """Bring items and readers together, as long as there are both."""
        while True:
            with self._lock:
                # Taken before it is looked: a signal handler may come here in between.
                try:
                    item = self._items.popleft()
                except IndexError:
                    return
                try:
                    reader = self._readers.popleft()
                except IndexError:
                    self._items.appendleft(item)
                    if self._readers:
                        continue
                    return
                if not reader.start():  # it does not wait any more
                    self._items.appendleft(item)
                    continue
            reader.resolve(item)

    def get(self) -> Future[_T | None]:
        """A future of the next item; of None once the mailbox is closed and empty."""
        reader = Promise()
        future: Future[_T | None] = Future([reader], reader.get)
        with self._lock:
            ended = self._closed and not self._items
            if not ended:
                self._readers.append(reader)
        if ended:
            reader.resolve(None)
        else:
            self._hand_over()
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
