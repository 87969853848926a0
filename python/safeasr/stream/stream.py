"""Live streams as objects: ``model.stream(...)``."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from safeasr.calls.future import Future
from safeasr.calls.os_threads import allocate_rlock
from safeasr.calls.telling import tell_later
from safeasr.deadlines import deadline_after, seconds_left
from safeasr.errors import CancelledError, DeadlineExceededError, ForkedProcessError
from safeasr.observability.observer import Observer
from safeasr.observability.stream_watches import StreamWatch
from safeasr.options.checks import flag, time_limit
from safeasr.options.kinds import require, whole
from safeasr.options.names import COMMON
from safeasr.pipeline.runs import Runs
from safeasr.stream.jobs import Job, JobQueue, Pipeline
from safeasr.stream.mailbox import Mailbox
from safeasr.stream.samples import as_samples

__all__ = ["Stream"]

_PENDING = whole("a whole number of at least 0", least=0)
_S = TypeVar("_S", bound="Stream")


class Stream:
    """A live stream of audio: chunks in, results out.

    Chunks of any length may be fed, from any thread. They are taken one after the other, in the
    order of the calls; a call that comes while another chunk is under way waits for its turn. A
    chunk that fails raises its error, and the stream goes on as if that chunk had never come. (With
    ``mode="2pass"`` the detector may have heard a chunk whose recognition failed then: the stream
    goes on behind it.) An object that is dropped frees its state; ``close`` does it at once.

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
        runs: Runs | None = None,
        watch: StreamWatch | None = None,
    ) -> None:
        """Made by ``AutoModel.stream``.

        Args:
            make_pipeline: a fresh pipeline, at the beginning and at each reset.
            fs: rate in Hz of the samples that will come.
            max_pending: chunks that may wait behind the one that is under way.
            timeout: default time limit of a call in seconds.
            runs: the model's chunks that are under way.
            watch: counts it, and times its chunks.
        """
        self._fs = require(COMMON["fs"].kind, "fs", fs)
        self._timeout = time_limit(timeout)
        self._queue = JobQueue(
            make_pipeline,
            fs=self._fs,
            max_pending=require(_PENDING, "max_pending", max_pending),
            runs=Runs() if runs is None else runs,
        )
        self._watch = Observer().stream(None) if watch is None else watch
        # A signal handler may push while its thread is in the middle of that.
        self._pushing = allocate_rlock()
        self._pushed: Mailbox[tuple[Future[Any], bool]] = Mailbox()
        self._ended = False
        self._pid = os.getpid()
        self._watch.opened()

    # -- Chunks in --------------------------------------------------------------------------------

    def submit(
        self, samples: Any, is_final: bool = False, *, timeout: float | None = None
    ) -> Future[Any]:
        """Queue the next samples and return at once with a future of what ``feed`` returns.

        A full queue of the model does not hold it up: live streams bypass it.

        Args:
            samples: float32 or int16 array (n,), tensor, list of floats, or bytes of 16-bit PCM, at
                the stream's rate; any length, also none.
            is_final: the utterance ends with these; what comes next begins another.
            timeout: seconds from now after which the chunk is not started any more.

        Raises:
            AudioError: if they are no samples.
            QueueFullError: if ``max_pending`` chunks wait already.
            ValueError: if the stream is closed.
            ForkedProcessError: in a child process of the one that opened the stream.
        """
        self._require_own_process()
        deadline = deadline_after(self._limit(timeout))
        is_final = flag("is_final", is_final)
        # Chunks are kept: the caller may use its buffer for the next one.
        with self._watch.chunk(tell_later) as watch:
            kept = as_samples(samples, self._fs).copy()
            watch.heard(len(kept) / self._fs)
            job = Job(self._queue, kept, is_final, deadline, watch)
            self._queue.add(job)
        return Future([job], job.get)

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
            answer.wait(self._limit(timeout))
        except BaseException:
            answer.cancel()
            raise
        return self._result_of(answer)

    def finish(self, samples: Any = (), *, timeout: float | None = None) -> Any:
        """End the utterance, with some last samples if there are any; returns as ``feed``."""
        return self.feed(samples, True, timeout=timeout)

    async def afeed(
        self, samples: Any, is_final: bool = False, *, timeout: float | None = None
    ) -> Any:
        """:meth:`feed` for asyncio: waiting does not block the event loop."""
        deadline = deadline_after(self._limit(timeout))
        answer = self.submit(samples, is_final, timeout=timeout)
        try:
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(answer.settled(), seconds_left(deadline))
        except BaseException:
            answer.cancel()
            raise
        return self._result_of(answer)

    def _limit(self, timeout: float | None) -> float | None:
        """Seconds, or None for no limit; of this call, or else of the stream."""
        limit = self._timeout if timeout is None else time_limit(timeout)
        return None if limit == math.inf else limit

    @staticmethod
    def _result_of(answer: Future[Any]) -> Any:
        """Of a chunk that is done, or whose time is up."""
        # A chunk that waits can be taken back; one that became done meanwhile is in time after all.
        if not answer.done() and (answer.cancel() or not answer.done()):
            raise DeadlineExceededError("the timeout passed before the chunk was done")
        if answer.cancelled():
            raise CancelledError("the stream was closed or reset")
        return answer.result()

    async def afinish(self, samples: Any = (), *, timeout: float | None = None) -> Any:
        """:meth:`finish` for asyncio."""
        return await self.afeed(samples, True, timeout=timeout)

    def push(self, samples: Any, is_final: bool = False) -> None:
        """Queue the next samples; iterating over the stream gives what they give. Raises as submit.

        After a final chunk's result the iteration ends; iterate again for the next utterance. A
        chunk that failed raises its error there; the iteration can go on. Those that were cancelled
        by ``reset`` or ``close`` are passed over.
        """
        with self._pushing:  # the order of the results is that of the chunks
            self._pushed.put((self.submit(samples, is_final), is_final))

    # -- Results out ------------------------------------------------------------------------------

    def __iter__(self: _S) -> _S:
        self._ended = False
        return self

    def __next__(self) -> Any:
        while not self._ended:
            self._require_own_process()
            reader = self._pushed.get()
            try:
                pushed = reader.result()
            except BaseException:  # Ctrl-C
                self._pushed.give_up(reader)
                raise
            if pushed is None:
                break
            try:
                pushed[0].wait()
            except BaseException:
                self._pushed.put_back(pushed)
                raise
            if not pushed[0].cancelled():
                return self._take(pushed)
        raise StopIteration

    def __aiter__(self: _S) -> _S:
        self._ended = False
        return self

    async def __anext__(self) -> Any:
        while not self._ended:
            self._require_own_process()
            reader = self._pushed.get()
            try:
                await reader.settled()
                pushed = reader.result()
            except BaseException:  # whoever waits with a time limit may come again
                self._pushed.give_up(reader)
                raise
            if pushed is None:
                break
            try:
                await pushed[0].settled()
            except BaseException:
                self._pushed.put_back(pushed)
                raise
            if not pushed[0].cancelled():
                return self._take(pushed)
        raise StopAsyncIteration

    def _take(self, pushed: tuple[Future[Any], bool]) -> Any:
        answer, self._ended = pushed
        return answer.result()

    @property
    def text(self) -> str:
        """The text of the utterance so far; once it has ended, until the next begins."""
        return self._queue.pipeline.text

    # -- Life -------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the utterance so far. Chunks that wait are cancelled; one under way ends alone."""
        self._queue.reset()

    def close(self) -> None:
        """Drop the state. Chunks that wait are cancelled; later calls raise ValueError."""
        self._queue.close()
        self._pushed.close()
        self._watch.closed()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._queue.closed

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

    def _require_own_process(self) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                "the stream was opened before the process forked, and who runs its chunks stayed "
                "in the parent: open the stream after the fork"
            )
