"""The chunks of one live stream on their way through its pipeline, one at a time."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.calls.os_threads import allocate_lock, allocate_rlock, require_unheld
from safeasr.errors import (
    DeadlineExceededError,
    EngineClosedError,
    InterruptedCallError,
    QueueFullError,
)
from safeasr.observability.stream_watches import ChunkWatch
from safeasr.pipeline.runs import Runs
from safeasr.pipeline.steps import Run, Steps
from safeasr.resampling import StreamResampler

__all__ = ["Job", "JobQueue", "Pipeline"]


class Pipeline(Protocol):
    """What a stream does with its chunks. One chunk at a time; state belongs to the pipeline."""

    #: Rate in Hz of the samples that it takes.
    sample_rate: int

    @property
    def text(self) -> str:
        """The text of the utterance so far."""

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        """Take the next samples (n,) of the stream."""


class Job(Run):
    """A chunk on its way through the pipeline, and the ticket of what it gives."""

    stoppable = False

    def __init__(
        self,
        queue: JobQueue,
        samples: NDArray[np.float32],
        is_final: bool,
        deadline: float | None,
        watch: ChunkWatch,
    ) -> None:
        """Nothing of it runs before its turn comes.

        Args:
            queue: of its stream.
            samples: (n,), at the stream's rate.
            is_final: the utterance ends with them.
            deadline: time of the monotonic clock after which it is not started; None: no limit.
            watch: counts and times it.
        """
        super().__init__()
        self._watch = watch
        self._queue = queue
        self._samples = samples
        self._is_final = is_final
        self._deadline = deadline

    def require_elsewhere(self) -> None:
        """Nor can it be waited for while the one before it is interrupted."""
        super().require_elsewhere()
        self._queue.require_elsewhere()

    def steps(self) -> Steps:
        """What the stream's pipeline does with the samples."""
        self._watch.has_turn()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceededError("the timeout passed before the chunk's turn came")
        return (yield from self._queue.process(self._samples, self._is_final, self._deadline))

    def resolve(self, value: Any) -> bool:
        """Count it first: whoever has its answer must find it in the counts."""
        self._watch.answered()
        return super().resolve(value)

    def fail(self, error: BaseException) -> bool:
        """As :meth:`resolve`."""
        self._watch.failed(error)
        return super().fail(error)

    def cancel(self) -> bool:
        """As of every run; one that has begun is not cancelled."""
        if not super().cancel():
            return False
        self._watch.cancelled()
        return True

    def ended(self) -> None:
        """The stream is free for another chunk."""
        self._queue.let_go(self)

    def heard(self) -> None:
        """The next chunk begins."""
        self._queue.run_jobs()


class JobQueue:
    """Takes the jobs of a stream one after the other; no thread waits meanwhile."""

    def __init__(
        self,
        make_pipeline: Callable[[], Pipeline],
        *,
        fs: int,
        max_pending: int,
        runs: Runs,
    ) -> None:
        """Begin with a fresh pipeline.

        Args:
            make_pipeline: makes one, at the beginning and at each reset.
            fs: rate in Hz of the jobs' samples.
            max_pending: jobs that may wait behind the one that is under way.
            runs: where jobs are noted as long as they have not ended.
        """
        self._make_pipeline = make_pipeline
        self._fs = fs
        self._max_pending = max_pending
        self._runs = runs
        self._lock = allocate_rlock()
        self._jobs: deque[Job] = deque()
        #: Held from the beginning of a job to its end, by whatever thread.
        self._turn = allocate_lock()
        #: The thread that begins a job just now.
        self._begun_by: int | None = None
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._pipeline = self._make_pipeline()
        self._resample = StreamResampler(self._fs, self._pipeline.sample_rate)

    @property
    def pipeline(self) -> Pipeline:
        """What the next job goes through."""
        return self._pipeline

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        """The steps of the job whose turn it is."""
        with self._lock:
            pipeline, resample = self._pipeline, self._resample
        return pipeline.process(resample(samples, is_final), is_final, deadline)

    def add(self, job: Job) -> None:
        """Append a job; runs what can run.

        Raises:
            QueueFullError: if ``max_pending`` jobs wait already.
            ValueError: if it is closed.
        """
        with self._lock:
            self._require_open()
            if self._turn.locked() and len(self._jobs) >= self._max_pending:
                raise QueueFullError(
                    f"{len(self._jobs)} chunks of this stream are waiting (max_pending)"
                )
            try:
                self._runs.add(job)
            except EngineClosedError as error:
                job.fail(error)
                return
            self._jobs.append(job)
        self.run_jobs()

    def reset(self) -> None:
        """Begin anew. Jobs that wait are cancelled; one under way ends alone."""
        with self._lock:
            self._require_open()
            self._begin()
            dropped = self._drop()
        self._cancel(dropped)

    def close(self) -> None:
        """Take no more jobs; those that wait are cancelled."""
        with self._lock:
            self._closed = True
            dropped = self._drop()
        self._cancel(dropped)

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("the stream is closed")

    def _drop(self) -> list[Job]:
        dropped = list(self._jobs)
        self._jobs.clear()
        return dropped

    def _cancel(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.cancel()
            self._runs.remove(job)

    def require_elsewhere(self) -> None:
        """Raise in a signal handler that interrupted the job that is under way.

        Or what holds a lock without which no job can end.
        """
        require_unheld(self._lock)
        self._runs.require_elsewhere()
        if self._begun_by == _ext.thread_id():
            raise InterruptedCallError(
                "a signal handler cannot wait for the stream that it interrupted: submit the "
                "samples there, or set a flag"
            )

    def let_go(self, job: Job) -> None:
        """The job that was under way has ended: another may begin."""
        self._runs.remove(job)
        with self._lock, contextlib.suppress(RuntimeError):  # not held: it had ended before
            self._turn.release()

    def run_jobs(self) -> None:
        """Begin jobs until one has to wait, or none is left. One thread at a time does so."""
        while True:
            with self._lock:
                job = self._next()
            if job is None:
                return
            try:
                if not job.begin():
                    return
            except BaseException:  # Ctrl-C: the stream goes on without this chunk
                self.run_jobs()
                raise
            finally:
                with self._lock:
                    if self._begun_by == _ext.thread_id():
                        self._begun_by = None

    def _next(self) -> Job | None:
        """The job whose turn it is, if there is one and no other is under way.

        A signal handler may interrupt this and run it as well: the turn is taken by one step.
        """
        while True:
            before, self._begun_by = self._begun_by, _ext.thread_id()
            if not self._turn.acquire(False):
                self._begun_by = before
                return None
            try:
                return self._jobs.popleft()
            except IndexError:
                self._begun_by = before
                self._turn.release()
                if not self._jobs:
                    return None
