"""The chunks of one live stream on their way through its pipeline, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future as ConcurrentFuture
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr.calls.dispatcher import forbid_waiting, run_callback
from safeasr.calls.future import Future
from safeasr.errors import DeadlineExceededError, QueueFullError

__all__ = ["Job", "JobQueue", "Pipeline", "Steps", "settled", "wait"]

#: What a pipeline does for one chunk: yields futures, is sent their results, returns the answer.
Steps = Generator[Future, Any, Any]


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


class Answer(ConcurrentFuture[Any]):
    """The future of a chunk: what its callbacks raise does not reach who sets the result."""

    def add_done_callback(self, fn: Callable[[ConcurrentFuture[Any]], object]) -> None:
        """Call ``fn(self)`` once done; what it raises is logged."""
        super().add_done_callback(lambda done: run_callback(lambda: fn(done)))


@dataclass(eq=False)
class Job:
    """A chunk on its way through the pipeline."""

    samples: NDArray[np.float32]
    is_final: bool
    deadline: float | None
    answer: Answer = field(default_factory=Answer)
    #: A callback will go on with it.
    waits: bool = False


class _Resampler:
    """From the rate of what comes to the pipeline's, across chunks."""

    def __init__(self, rate: int, target: int) -> None:
        self._rates = rate, target
        self._stream: Any = None

    def __call__(self, wave: NDArray[np.float32], is_final: bool) -> NDArray[np.float32]:
        if self._rates[0] == self._rates[1]:
            return wave
        import soxr

        if self._stream is None:
            self._stream = soxr.ResampleStream(*self._rates, 1, dtype="float32")
        made: NDArray[np.float32] = self._stream.resample_chunk(wave, last=is_final)
        if is_final:
            self._stream = None
        return made


class JobQueue:
    """Takes the jobs of a stream one after the other; no thread waits meanwhile."""

    def __init__(self, make_pipeline: Callable[[], Pipeline], *, fs: int, max_pending: int) -> None:
        """Begin with a fresh pipeline.

        Args:
            make_pipeline: makes one, at the beginning and at each reset.
            fs: rate in Hz of the jobs' samples.
            max_pending: jobs that may wait behind the one that is under way.
        """
        self._make_pipeline = make_pipeline
        self._fs = fs
        self._max_pending = max_pending
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._busy = False
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._pipeline = self._make_pipeline()
        self._resample = _Resampler(self._fs, self._pipeline.sample_rate)

    @property
    def pipeline(self) -> Pipeline:
        """What the next job goes through."""
        return self._pipeline

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def add(self, job: Job) -> None:
        """Append a job; runs what can run.

        Raises:
            QueueFullError: if ``max_pending`` jobs wait already.
            ValueError: if it is closed.
        """
        with self._lock:
            self._require_open()
            if self._busy and len(self._jobs) >= self._max_pending:
                raise QueueFullError(
                    f"{len(self._jobs)} chunks of this stream are waiting (max_pending)"
                )
            self._jobs.append(job)
        self._run_jobs()

    def reset(self) -> None:
        """Begin anew. Jobs that wait are cancelled; one under way ends alone."""
        with self._lock:
            self._require_open()
            dropped = self._drop()
            self._begin()
        for job in dropped:
            job.answer.cancel()

    def close(self) -> None:
        """Take no more jobs; those that wait are cancelled."""
        with self._lock:
            self._closed = True
            dropped = self._drop()
        for job in dropped:
            job.answer.cancel()

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("the stream is closed")

    def _drop(self) -> list[Job]:
        dropped = list(self._jobs)
        self._jobs.clear()
        return dropped

    def _run_jobs(self, mine: bool = False) -> None:
        """Take jobs until one has to wait, or none is left.

        One thread at a time does so; ``mine``: this one has been it since before a wait.
        """
        job: Job | None = None
        try:
            while True:
                with self._lock:
                    if self._busy and not mine:
                        return
                    mine = self._busy = bool(self._jobs)
                    if not mine:
                        return
                    job = self._jobs.popleft()
                    pipeline, resample = self._pipeline, self._resample
                if self._is_due(job):
                    samples = resample(job.samples, job.is_final)
                    steps = pipeline.process(samples, job.is_final, job.deadline)
                    if not self._advance(job, steps):
                        return
        except BaseException as error:  # Ctrl-C, anywhere: the stream goes on without this chunk
            if job is not None and job.waits:
                raise
            if job is not None and not job.answer.done():
                job.answer.set_exception(error)
            self._run_jobs(mine)
            raise

    @staticmethod
    def _is_due(job: Job) -> bool:
        if not job.answer.set_running_or_notify_cancel():
            return False
        if job.deadline is None or time.monotonic() < job.deadline:
            return True
        job.answer.set_exception(
            DeadlineExceededError("the timeout passed before the chunk's turn came")
        )
        return False

    def _advance(self, job: Job, steps: Steps, done: Future | None = None) -> bool:
        """Run a job until it has to wait: then False, and a callback goes on."""
        while True:
            try:
                if done is None:
                    waits_for = next(steps)
                else:
                    try:
                        value = done.result(0)
                    except BaseException as error:
                        waits_for = steps.throw(error)
                    else:
                        waits_for = steps.send(value)
            except StopIteration as stop:
                job.answer.set_result(stop.value)
                return True
            except Exception as error:
                job.answer.set_exception(error)
                return True
            done = waits_for
            if not done.done():
                break

        def go_on(finished: Future) -> None:
            if self._advance(job, steps, finished):
                self._run_jobs(mine=True)

        job.waits = True
        done.add_done_callback(go_on)
        return False


def wait(answer: ConcurrentFuture[Any], timeout: float | None = None) -> None:
    """Wait until a future is done in any way, or the time is up.

    Raises:
        RuntimeError: in a done-callback, for what is not done yet.
    """
    if not answer.done():
        forbid_waiting()
    with contextlib.suppress(FutureCancelledError, FutureTimeoutError):
        answer.exception(timeout)  # its own error is returned, not raised


async def settled(answer: ConcurrentFuture[Any]) -> None:
    """Wait until a future is done in any way. Giving up leaves it alone."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: ConcurrentFuture[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    answer.add_done_callback(wake)
    await done.wait()
