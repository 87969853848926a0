"""A number of places that pipelines take in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from safeasr.calls.promise import Promise
from safeasr.pipeline.steps import Steps

__all__ = ["Place", "Places"]


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
        """Steps that wait for a place, which is then :meth:`held`."""
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

    @contextmanager
    def held(self) -> Iterator[Place]:
        """One that was taken, within a ``with`` block or until it is given back in it."""
        place = Place(self)
        try:
            yield place
        finally:
            place.give_back()

    def free(self) -> None:
        """One more is free, for the next one that waits."""
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


class Place:
    """One that is held."""

    def __init__(self, of: Places) -> None:
        self._of: Places | None = of

    def give_back(self) -> None:
        """For the next one; again, it does nothing."""
        of, self._of = self._of, None
        if of is not None:
            of.free()
