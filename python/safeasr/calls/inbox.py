"""What one pipeline hands to another one that runs beside it, or to whoever follows it."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

from safeasr._extension import _ext
from safeasr.calls.dispatcher import STEPS
from safeasr.calls.promise import Promise

__all__ = ["Inbox", "first_of"]

_T = TypeVar("_T")


class Inbox(Generic[_T]):
    """Items in order, from one writer to one reader.

    There is no lock: a signal handler may interrupt either of them anywhere, and what it waits for
    must not wait for what it interrupted. Each side makes known that it waits before it looks once
    more, and changes things before it looks whether the other one waits; so one of them sees it.
    """

    def __init__(self, limit: int) -> None:
        """Empty.

        Args:
            limit: items with which it is full: whoever puts some should wait for :meth:`room`.
        """
        self._items: deque[_T] = deque()
        self._limit = limit
        self._error: BaseException | None = None
        self._closed = self._abandoned = False
        self._came, self._left = Promise(), Promise()

    def put(self, item: _T) -> None:
        """Hand over the next item."""
        if not self._abandoned:
            self._items.append(item)
            self._came.resolve(None)

    def close(self, error: BaseException | None = None) -> None:
        """Nothing follows; with an error, whoever comes for what would have followed gets that."""
        self._error, self._closed = error, True
        self._came.resolve(None)

    def abandon(self) -> None:
        """Nobody takes anything any more: what is put is dropped, and never full."""
        self._abandoned = True
        self._items.clear()
        self._left.resolve(None)
        self._came.resolve(None)  # who waited there may be gone: nothing must wait for it for ever

    @property
    def full(self) -> bool:
        """Whether whoever puts items should wait."""
        return len(self._items) >= self._limit and not self._abandoned

    def room(self) -> _ext.Ticket:
        """Finished once something was taken, or at once if it is not full."""
        if self._left.finished():
            self._left = Promise()
        if not self.full:
            self._left.resolve(None)
        return self._left

    def take(self) -> _T | None:
        """The next item; None if none has come.

        Raises:
            BaseException: what it was closed with, when all items are taken.
        """
        closed = self._closed  # first: what came before that is there by now
        with suppress(IndexError):
            item = self._items.popleft()
            self._left.resolve(None)
            return item
        if closed and self._error is not None:
            raise self._error
        return None

    @property
    def ended(self) -> bool:
        """Whether it is closed and everything is taken; never with an error, which is taken."""
        return self._closed and self._error is None and not self._items

    def more(self) -> _ext.Ticket:
        """Finished once there is something to take, or nothing will follow."""
        if self._came.finished():
            self._came = Promise()
        if self._items or self._closed:
            self._came.resolve(None)
        return self._came


def first_of(*tickets: _ext.Ticket) -> _ext.Ticket:
    """Finished as soon as one of them is, in whatever way; its result says nothing."""
    either = Promise()
    if any(ticket.finished() for ticket in tickets):
        either.resolve(None)
    else:
        for ticket in tickets:
            STEPS.when_finished(ticket, lambda: either.resolve(None))
    return either
