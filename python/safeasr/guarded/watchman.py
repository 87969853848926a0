"""Looks after what takes too long, or too much, in a guarded model."""

from __future__ import annotations

import math
import time
from typing import Final

from safeasr.calls.os_threads import allocate_lock, allocate_rlock, start_thread
from safeasr.errors import (
    DeadlineExceededError,
    OutOfMemoryError,
    SafeASRError,
    WorkerCrashedError,
)
from safeasr.guarded.house import House
from safeasr.guarded.jobs import Job
from safeasr.guarded.workers import Worker

__all__ = ["GRACE_S", "Watchman"]

#: How long a process may go on with a call that nobody wants any more, in seconds. To make another
#: takes longer than most calls.
GRACE_S: Final = 10.0
#: How often the memory of what runs is looked at, in seconds.
_LOOK_S: Final = 0.25


class Watchman:
    """A thread that looks at a pool when there is something to see."""

    def __init__(self, pool: House, max_memory: int | None) -> None:
        """Begin to look.

        Args:
            pool: looked after.
            max_memory: resident bytes of a process; None: no limit.
        """
        self._pool = pool
        self._max_memory = max_memory
        self._lock = allocate_rlock()
        self._bell = allocate_lock()
        self._bell.acquire()
        self._wake_at = math.inf
        self._ended = False
        start_thread(self._run, "safeasr-guarded-watch")

    def look_at(self, moment: float) -> None:
        """Look again at that time of the monotonic clock, or before."""
        with self._lock:
            if moment < self._wake_at:
                self._wake_at = moment
                if self._bell.locked():
                    self._bell.release()

    def end(self) -> None:
        """Look no more."""
        self._ended = True
        self.look_at(-math.inf)

    def look_soon(self) -> None:
        """A call begins whose memory is to be watched."""
        self.look_at(time.monotonic() + _LOOK_S)

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                self._wake_at = math.inf
            next_look = self._look(self._pool)
            with self._lock:  # somebody may have come meanwhile
                self._wake_at = min(self._wake_at, next_look)
                left = self._wake_at - time.monotonic()
            # A thread of the operating system: nobody's greenlets wait here.
            self._bell.acquire(True, -1 if math.isinf(left) else max(0.0, left))

    def _look(self, pool: House) -> float:
        """Look at everything once; when to look next."""
        now = time.monotonic()
        with pool.lock:
            waiting = [*pool.waiting, *(job for one in pool.workers for job in one.waiting)]
            running = [(one, one.job) for one in pool.workers if one.job is not None]
        next_look = math.inf
        for job in waiting:
            if job.late(now):
                pool.finish(job, None, DeadlineExceededError("the timeout passed in the queue"))
            elif job.terms.deadline is not None and not job.over:
                next_look = min(next_look, job.terms.deadline)
        for worker, job in running:
            next_look = min(next_look, self._look_at_running(pool, worker, job, now))
        return next_look

    def _look_at_running(self, pool: House, worker: Worker, job: Job, now: float) -> float:
        next_look = math.inf
        if job.late(now):
            job.unwanted = job.unwanted or now
            late = DeadlineExceededError("the timeout passed while the request ran")
            pool.finish(job, None, late)
        elif job.terms.deadline is not None:
            next_look = job.terms.deadline
        if not worker.backend.endable:
            return next_look
        if job.unwanted is not None:
            ends = job.unwanted + GRACE_S
            if now >= ends:
                reason = f"the call went on for {GRACE_S:g} s when nobody waited for it any more"
                self._end(pool, worker, job, WorkerCrashedError(reason))
                return next_look
            next_look = min(next_look, ends)
        if self._max_memory is not None:
            if worker.backend.resident_bytes() > self._max_memory:
                reason = f"the call took the model's process beyond max_memory={self._max_memory}"
                self._end(pool, worker, job, OutOfMemoryError(reason))
            next_look = min(next_look, now + _LOOK_S)
        return next_look

    @staticmethod
    def _end(pool: House, worker: Worker, job: Job, reason: SafeASRError) -> None:
        """End the process of a job, unless another job has begun there."""
        with pool.lock:
            if worker.job is job:
                worker.backend.end(reason)
