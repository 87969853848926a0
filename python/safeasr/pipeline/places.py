"""A number of places that pipelines take in turn."""

from __future__ import annotations

from collections import deque

from safeasr.calls.promise import Promise
from safeasr.pipeline.steps import Steps

__all__ = ["Places"]


class Places:
    """Places that are free, and who waits for one. Without a lock, for the reasons of an Inbox."""

    def __init__(self, count: int) -> None:
        """All are free.

        Args:
            count: how many there are.
        """
        self._free: deque[None] = deque([None] * count)
        self._waiting: deque[Promise] = deque()

    def take(self) -> Steps:
        """Steps that wait for a place; whoever has one gives it back."""
        while True:
            try:
                self._free.popleft()
                return
            except IndexError:
                came = Promise()
            self._waiting.append(came)
            self._wake()  # one may have become free meanwhile
            try:
                yield came
            except GeneratorExit:
                if not came.cancel():
                    self._wake()  # the next one has it
                raise

    def give_back(self) -> None:
        """For the next one."""
        self._free.append(None)
        self._wake()

    def _wake(self) -> None:
        while self._free:
            try:
                came = self._waiting.popleft()
            except IndexError:
                return
            if came.resolve(None):
                return
