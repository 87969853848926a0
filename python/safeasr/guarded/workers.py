"""One copy of a guarded model and the thread that calls it; which of them has which live stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from safeasr.calls.os_threads import allocate_lock
from safeasr.calls.promise import Promise
from safeasr.guarded.backends import Backend
from safeasr.guarded.jobs import Job

__all__ = ["LiveStreams", "Worker"]


class Worker:
    """One copy of the model and the thread that calls it.

    Attributes:
        backend: the copy.
        waiting: requests that no other copy can take, in order.
        forgotten: live streams whose state can go.
        streams: those whose state is here.
        job: what runs, if anything does.
        calls: how many ran since the copy was made.
        idle: whether the thread waits for its bell.
        ready: fulfilled with what the model is, once it is there.
        gone: fulfilled when the thread has ended.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.waiting: deque[Job] = deque()
        self.forgotten: deque[int] = deque()
        self.streams: set[int] = set()
        self.job: Job | None = None
        self.calls = 0
        self.idle = False
        self.ready = Promise()
        self.gone = Promise()
        self._bell = allocate_lock()
        self._bell.acquire()

    def ring(self) -> None:
        """Wake the thread; only whoever has taken ``idle`` away may."""
        self._bell.release()

    def wait(self) -> None:
        """Until the bell rings."""
        self._bell.acquire()

    def must_be_replaced(self, max_memory: int | None, max_calls: int | None) -> bool:
        """Whether its copy has become too large, or has done enough; asked while it is idle.

        Args:
            max_memory: resident bytes of its process; None: no limit.
            max_calls: of the copy; None: no limit. While it has live streams, their state counts
                for more.
        """
        if not self.backend.up:
            return False
        if max_memory is not None and self.backend.resident_bytes() > max_memory:
            return True
        return max_calls is not None and self.calls >= max_calls and not self.streams


class LiveStreams:
    """Which copy has the state of which live stream."""

    def __init__(self, lock: Any, workers: Sequence[Worker]) -> None:
        """None is open.

        Args:
            lock: of the pool, an RLock.
            workers: that share the streams.
        """
        self._lock = lock
        self._workers = workers
        self._where: dict[int, Worker | None] = {}
        self._next = 0

    def open(self) -> int:
        """A number for a live stream. Its copy is chosen with its first chunk."""
        with self._lock:
            self._next += 1
            self._where[self._next] = None
            return self._next

    def worker_of(self, stream: int) -> Worker | None:
        """Who has its state; None if that is lost. Called with the lock held."""
        if stream not in self._where:
            return None
        found = self._where[stream]
        if found is None:
            found = min(self._workers, key=lambda one: len(one.streams))
            self._where[stream] = found
            found.streams.add(stream)
        return found

    def close(self, stream: int) -> None:
        """Forget its state; from any thread, also within a garbage collection."""
        with self._lock:
            worker = self._where.pop(stream, None)
            if worker is not None:
                worker.streams.discard(stream)
                worker.forgotten.append(stream)

    def lose(self, worker: Worker) -> None:
        """The states that a copy had are gone."""
        with self._lock:
            for stream in worker.streams:
                self._where.pop(stream, None)
            worker.streams.clear()
            worker.forgotten.clear()
