"""The copies of a guarded model, and the requests that wait for one of them.

Each copy has a thread of the operating system, which makes the model and calls it, one request
after another. Requests wait in one place; those of a live stream wait for the copy that has its
state. A thread is told by its bell that there is something to do, and by nothing else.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from safeasr.calls.os_threads import allocate_rlock, start_thread
from safeasr.calls.waiting import wait_for
from safeasr.errors import (
    DeadlineExceededError,
    EngineClosedError,
    ForkedProcessError,
    QueueFullError,
    WorkerCrashedError,
)
from safeasr.families.terms import Terms
from safeasr.guarded.backends import Backend
from safeasr.guarded.counts import Counts
from safeasr.guarded.jobs import Job
from safeasr.guarded.messages import Described, Request
from safeasr.guarded.serving import serve
from safeasr.guarded.watchman import Watchman
from safeasr.guarded.workers import LiveStreams, Worker
from safeasr.pipeline.runs import Runs

__all__ = ["Pool"]

#: What was killed ends in some ms.
_GONE_S: Final = 10.0


class Pool:
    """Copies of a model, and what waits for them."""

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        queue_size: int,
        max_memory: int | None,
        max_calls: int | None,
    ) -> None:
        """Begin to make the copies.

        Args:
            backends: where each of them lives.
            queue_size: requests that may wait.
            max_memory: resident bytes of a copy's process, beyond which it is replaced.
            max_calls: calls after which it is.
        """
        self.lock = allocate_rlock()
        self.runs = Runs(queue_size + len(backends))
        self.workers = [Worker(one) for one in backends]
        self.waiting: deque[Job] = deque()
        self.counts = Counts()
        self.max_memory, self.max_calls = max_memory, max_calls
        self._pid = os.getpid()
        self.ending = False
        self._watchman = Watchman(self, max_memory)
        self.streams = LiveStreams(self.lock, self.workers)
        try:
            for worker in self.workers:
                start_thread(partial(serve, self, worker), "safeasr-guarded")
        except BaseException:  # there is no room for another
            self.close(drain=False)
            raise

    def ready(self) -> Described:
        """Wait until all copies are there.

        Raises:
            SafeASRError: if one cannot be made. The others are ended then.
        """
        try:
            for worker in self.workers:
                wait_for(worker.ready)
            found: list[Described] = [worker.ready.get() for worker in self.workers]
        except BaseException:
            self.close(drain=False)
            raise
        return found[0]

    # -- Requests ---------------------------------------------------------------------------------

    def submit(self, request: Request, terms: Terms) -> Job:
        """Queue a request.

        Raises:
            QueueFullError: if there was no room in time.
            EngineClosedError: if the model is closed.
            ForkedProcessError: in a child of the process that made the model.
            WorkerCrashedError: if the state of its live stream is lost.
        """
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                "the model was made before the process forked, and what runs it stayed in the "
                "parent: make it after the fork, or use the start methods spawn or forkserver"
            )
        job = Job(self, request, terms)
        try:
            if terms.direct:
                self.runs.add(job)
            else:
                self.runs.add_when_there_is_room(job, terms.patience)
            with self.lock:
                self.counts.submitted += 1
                rung = self._queue(job)
        except BaseException as error:  # Ctrl-C, too: it must not seem to be under way
            self.runs.remove(job)
            if isinstance(error, QueueFullError):
                with self.lock:
                    self.counts.rejected += 1
            raise
        if rung is not None:
            rung.ring()
        if terms.deadline is not None:
            self._watchman.look_at(terms.deadline)
        return job

    def _queue(self, job: Job) -> Worker | None:
        """Put it where it waits; whose bell is to be rung."""
        if self.ending:
            self.finish(job, None, EngineClosedError("the model is closed"))
            return None
        stream = job.request.stream
        pinned = None if stream is None else self.streams.worker_of(stream)
        if stream is not None and pinned is None:
            error = WorkerCrashedError(
                "the process that had the state of this live stream is gone: begin a new one"
            )
            self.finish(job, None, error)
            return None
        place = self.waiting if pinned is None else pinned.waiting
        # Of a copy: a signal handler may put another in meanwhile.
        before = sum(one.turn <= job.turn for one in tuple(place)) if job.terms.live else len(place)
        place.insert(before, job)
        for worker in self.workers if pinned is None else (pinned,):
            if worker.idle:
                worker.idle = False
                return worker
        return None

    def finish(self, job: Job, value: Any, error: BaseException | None) -> None:
        """End a job, once; what comes later changes nothing."""
        with self.lock:
            if job.over:
                return
            job.over = True
            late = isinstance(error, DeadlineExceededError)
            outcome = "expired" if late else "completed" if error is None else "failed"
            self.counts.outcomes[outcome] += 1
            self._let_go(job)
        self.runs.remove(job)
        if error is None:
            job.resolve(value)
        else:
            job.fail(error)

    def _let_go(self, job: Job) -> None:
        """Of one that never ran: its turn may be long in coming, and it holds a recording."""
        if job.began is None:
            for place in (self.waiting, *(one.waiting for one in self.workers)):
                with suppress(ValueError):
                    place.remove(job)

    def cancelled(self, job: Job) -> None:
        """One was cancelled while it waited."""
        with self.lock:
            if job.over:
                return
            job.over = True
            self.counts.outcomes["cancelled"] += 1
            self._let_go(job)
        self.runs.remove(job)

    def look(self) -> None:
        """Have the watchman look at what runs."""
        self._watchman.look_at(time.monotonic())

    # -- The threads ------------------------------------------------------------------------------

    def next_job(self, worker: Worker) -> Job | None:
        """What the worker does next; waits for it. None: it shall end."""
        while True:
            with self.lock:
                worker.job = None
                if self.ending:
                    return None
                job = self._take(worker)
                if job is not None:
                    worker.job = job
                    if self.max_memory is not None:
                        self._watchman.look_soon()
                    return job
                worker.idle = True
            worker.wait()

    def _take(self, worker: Worker) -> Job | None:
        while worker.waiting or self.waiting:
            heads = [place for place in (worker.waiting, self.waiting) if place]
            job = min(heads, key=lambda place: place[0].turn).popleft()
            if job.late(time.monotonic()):
                self.finish(job, None, DeadlineExceededError("the timeout passed in the queue"))
            elif job.start():
                job.began = time.monotonic()
                self.counts.queue.add(job.began - job.arrived)
                return job
        return None

    def ran(self, worker: Worker, job: Job) -> None:
        """A job has run, whatever became of it: nobody may end its process any more."""
        ended = time.monotonic()
        began = ended if job.began is None else job.began
        with self.lock:
            worker.job = None
            worker.calls += 1
            self.counts.run.add(ended - began)
            if job.terms.moments is not None:
                job.terms.moments.ran(job.arrived, began, ended)

    # -- The end ----------------------------------------------------------------------------------

    def close(self, *, drain: bool) -> None:
        """Take no more requests; as of ``AutoModel.close``. May be called more than once."""
        if os.getpid() != self._pid:
            return
        self.runs.close(drain=drain)
        with self.lock:
            self.ending = True
            left = [*self.waiting, *(job for one in self.workers for job in one.waiting)]
            left += [one.job for one in self.workers if one.job is not None]
            idle = [one for one in self.workers if one.idle]
            for one in idle:
                one.idle = False
        for job in left:
            self.finish(job, None, EngineClosedError("the model is closed"))
        for one in self.workers:
            one.backend.end(EngineClosedError("the model is closed"))
        for one in idle:
            one.ring()
        self._watchman.end()

    def wait_until_gone(self) -> None:
        """After :meth:`close`: until no process is left. A thread's call may go on."""
        if os.getpid() != self._pid or self.lock._is_owned():  # a signal handler
            return
        for one in self.workers:
            if one.backend.endable:
                one.gone.wait(_GONE_S)

    def stats(self) -> dict[str, Any]:
        """Counters, as of the engine; ``resident_bytes`` of its processes."""
        with self.lock:
            found = self.counts.stats(
                workers=len(self.workers),
                busy=sum(one.job is not None for one in self.workers),
                waiting=len(self.waiting) + sum(len(one.waiting) for one in self.workers),
            )
        return {
            **found,
            "resident_bytes": sum(one.backend.resident_bytes() for one in self.workers),
        }

    def part_stats(self) -> dict[str, Any]:
        """As of a part of ``AutoModel.stats``."""
        with self.lock:
            return self.counts.part()
