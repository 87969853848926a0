"""Live streams as objects: ``model.stream(...)``."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future as ConcurrentFuture
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from safeasr.audio import checked_rate, load_audio
from safeasr.decoding import decode_pcm16
from safeasr.errors import AudioError, CancelledError, DeadlineExceededError, QueueFullError
from safeasr.future import Future
from safeasr.mailbox import Mailbox

__all__ = ["Pipeline", "Stream"]

_log = logging.getLogger("safeasr")

#: What a pipeline does for one chunk: yields futures, is sent their results, returns the answer.
Steps = Generator[Future, Any, Any]
_S = TypeVar("_S", bound="Stream")


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


@dataclass(eq=False)
class _Job:
    """A chunk on its way through the pipeline."""

    samples: NDArray[np.float32]
    is_final: bool
    deadline: float | None
    answer: ConcurrentFuture[Any] = field(default_factory=ConcurrentFuture)


class Stream:
    """A live stream of audio: chunks in, results out.

    Chunks of any length may be fed, from any thread. They are taken one after the other, in the
    order of the calls; a call that comes while another chunk is under way waits for its turn. A
    chunk that fails raises its error and leaves the stream as it was before that chunk: it can go
    on. An object that is dropped frees its state; ``close`` does it at once.

    There are two ways to use it. ``feed`` returns what a chunk gave (``afeed`` for asyncio); or
    one side calls ``push`` and another iterates, with ``for`` or ``async for``::

        with model.stream(chunk_size=[0, 10, 5]) as stream:
            for chunk in microphone:
                print(stream.feed(chunk)["text"])
            print(stream.finish()["text"])
    """

    def __init__(
        self,
        make_pipeline: Callable[[], Pipeline],
        *,
        fs: int = 16000,
        max_pending: int = 256,
        timeout: float | None = None,
    ) -> None:
        """Made by ``AutoModel.stream``.

        Args:
            make_pipeline: a fresh pipeline, at the beginning and at each reset.
            fs: rate in Hz of the samples that will come.
            max_pending: chunks that may wait behind the one that is under way.
            timeout: default time limit of a call in seconds.
        """
        self._make_pipeline = make_pipeline
        self._pipeline = make_pipeline()
        self._fs = checked_rate(fs)
        self._resampler: Any = None
        self._max_pending = max_pending
        self._timeout = timeout
        self._lock = threading.Lock()
        self._jobs: deque[_Job] = deque()
        self._busy = False
        self._closed = False
        self._pushed: Mailbox[tuple[ConcurrentFuture[Any], bool]] = Mailbox()
        self._ended = False

    # -- Chunks in --------------------------------------------------------------------------------

    def submit(
        self, samples: Any, is_final: bool = False, *, timeout: float | None = None
    ) -> ConcurrentFuture[Any]:
        """Queue the next samples and return at once with a future of what ``feed`` returns.

        Args:
            samples: float32 or int16 array (n,), tensor, list of floats, or bytes of 16-bit PCM, at
                the stream's rate; any length, also none.
            is_final: the utterance ends with these; what comes next begins another.
            timeout: seconds from now after which the chunk is not started any more.

        Raises:
            AudioError: if they are no samples.
            QueueFullError: if ``max_pending`` chunks wait already.
            ValueError: if the stream is closed.
        """
        limit = self._timeout if timeout is None else timeout
        deadline = None if limit is None else time.monotonic() + limit
        wave = self._as_samples(samples)
        with self._lock:
            if self._closed:
                raise ValueError("the stream is closed")
            if len(self._jobs) >= self._max_pending:
                raise QueueFullError(
                    f"{len(self._jobs)} chunks of this stream are waiting (max_pending)"
                )
            job = _Job(self._at_model_rate(wave, is_final), is_final, deadline)
            self._jobs.append(job)
            start, self._busy = not self._busy, True
        if start:
            self._run_jobs()
        return job.answer

    def feed(self, samples: Any, is_final: bool = False, *, timeout: float | None = None) -> Any:
        """Take the next samples; wait for what they give.

        Args:
            samples: as in :meth:`submit`.
            is_final: as in :meth:`submit`.
            timeout: time limit of this call in seconds.

        Returns:
            FunASR's result dict of this chunk: ``key`` and ``text`` (of a voice activity detector
            ``value``). With ``mode="2pass"`` a list of events, see ``AutoModel.stream``.

        Raises:
            AudioError: if they are no samples.
            DeadlineExceededError: if the timeout passed. A chunk that had begun goes on.
            QueueFullError: if there was no room.
            CancelledError: if the stream was closed or reset meanwhile.
            SafeASRError: what the model failed with. The stream is as it was before this chunk.
        """
        answer = self.submit(samples, is_final, timeout=timeout)
        try:
            return answer.result(self._timeout if timeout is None else timeout)
        except FutureTimeoutError as error:
            if not answer.cancel() and answer.done():
                return answer.result()  # in time after all, or too late by its own error
            raise DeadlineExceededError("the timeout passed before the chunk was done") from error
        except FutureCancelledError:
            raise CancelledError("the stream was closed or reset") from None
        except BaseException:
            answer.cancel()
            raise

    def finish(self, samples: Any = (), *, timeout: float | None = None) -> Any:
        """End the utterance, with some last samples if there are any; returns as ``feed``."""
        return self.feed(samples, True, timeout=timeout)

    async def afeed(
        self, samples: Any, is_final: bool = False, *, timeout: float | None = None
    ) -> Any:
        """:meth:`feed` for asyncio: waiting does not block the event loop."""
        limit = self._timeout if timeout is None else timeout
        answer = asyncio.wrap_future(self.submit(samples, is_final, timeout=limit))
        try:
            return await asyncio.wait_for(answer, limit)
        except (TimeoutError, asyncio.TimeoutError) as error:
            if isinstance(error, DeadlineExceededError):
                raise
            raise DeadlineExceededError("the timeout passed before the chunk was done") from None

    async def afinish(self, samples: Any = (), *, timeout: float | None = None) -> Any:
        """:meth:`finish` for asyncio."""
        return await self.afeed(samples, True, timeout=timeout)

    def push(self, samples: Any, is_final: bool = False) -> None:
        """Queue the next samples; iterating over the stream gives what they give. Raises as submit.

        After a final chunk's result the iteration ends; iterate again for the next utterance.
        """
        self._pushed.put((self.submit(samples, is_final), is_final))

    # -- Results out ------------------------------------------------------------------------------

    def __iter__(self: _S) -> _S:
        self._ended = False
        return self

    def __next__(self) -> Any:
        pushed = None if self._ended else self._pushed.get().result()
        if pushed is None:
            raise StopIteration
        answer, self._ended = pushed
        try:
            return answer.result()
        except FutureCancelledError:
            raise StopIteration from None

    def __aiter__(self: _S) -> _S:
        self._ended = False
        return self

    async def __anext__(self) -> Any:
        pushed = None if self._ended else await asyncio.wrap_future(self._pushed.get())
        if pushed is None:
            raise StopAsyncIteration
        answer, self._ended = pushed
        if answer.cancelled():
            raise StopAsyncIteration
        return await asyncio.wrap_future(answer)

    @property
    def text(self) -> str:
        """The text of the utterance so far; once it has ended, until the next begins."""
        return self._pipeline.text

    # -- Life -------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the utterance so far. Chunks that wait are cancelled; one under way ends alone."""
        with self._lock:
            if self._closed:
                raise ValueError("the stream is closed")
            dropped = list(self._jobs)
            self._jobs.clear()
            self._pipeline = self._make_pipeline()
            self._resampler = None
        for job in dropped:
            job.answer.cancel()

    def close(self) -> None:
        """Drop the state. Chunks that wait are cancelled; later calls raise ValueError."""
        with self._lock:
            self._closed = True
            dropped = list(self._jobs)
            self._jobs.clear()
        for job in dropped:
            job.answer.cancel()
        self._pushed.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self: _S) -> _S:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- Steps ------------------------------------------------------------------------------------

    def _as_samples(self, samples: Any) -> NDArray[np.float32]:
        if isinstance(samples, (bytes, bytearray, memoryview)):
            return decode_pcm16(samples)
        if isinstance(samples, (list, tuple)) and not samples:
            return np.zeros(0, np.float32)
        if isinstance(samples, str) or hasattr(samples, "read") or hasattr(samples, "__fspath__"):
            raise AudioError(
                f"a stream takes samples, got {type(samples).__name__}: decode files first, or "
                "give them to generate"
            )
        wave: NDArray[np.float32] = load_audio(samples, self._fs, self._fs, allow_empty=True)
        return wave

    def _at_model_rate(self, wave: NDArray[np.float32], is_final: bool) -> NDArray[np.float32]:
        rate = self._pipeline.sample_rate
        if self._fs == rate:
            # Chunks are kept: the caller may use its buffer for the next one.
            return np.array(wave, np.float32)
        import soxr

        if self._resampler is None:
            self._resampler = soxr.ResampleStream(self._fs, rate, 1, dtype="float32")
        made: NDArray[np.float32] = self._resampler.resample_chunk(wave, last=is_final)
        if is_final:
            self._resampler = None
        return made

    def _run_jobs(self) -> None:
        """Take jobs until one has to wait, or none is left. One thread at a time is in here."""
        while True:
            with self._lock:
                if not self._jobs:
                    self._busy = False
                    return
                job = self._jobs.popleft()
                pipeline = self._pipeline
            if not job.answer.set_running_or_notify_cancel():
                continue
            if job.deadline is not None and time.monotonic() >= job.deadline:
                job.answer.set_exception(
                    DeadlineExceededError("the timeout passed before the chunk's turn came")
                )
                continue
            if not self._advance(job, pipeline.process(job.samples, job.is_final, job.deadline)):
                return

    def _advance(self, job: _Job, steps: Steps, done: Future | None = None) -> bool:
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
            except BaseException as error:
                job.answer.set_exception(error)
                return True
            done = waits_for
            if not done.done():
                break

        def go_on(finished: Future) -> None:
            if self._advance(job, steps, finished):
                self._run_jobs()

        done.add_done_callback(go_on)
        return False
