"""Signal handlers that use what they interrupted: never a deadlock."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, Future, InterruptedCallError, SafeASRError
from safeasr.calls.dispatcher import CALLBACKS, STEPS
from safeasr.families.cached import CACHE_ENTRY
from support.audio import speech

PIECE = speech(0.2, seed=3)


@pytest.fixture(scope="module")
def model() -> Iterator[AutoModel]:
    with AutoModel("demo", vad_model="demo-vad", num_workers=1, disable_pbar=True) as one:
        one.stream().close()  # its companions are loaded
        yield one


@contextmanager
def interrupted(handler: Any, every_s: float = 0.002) -> Iterator[None]:
    """The handler runs on this thread again and again."""
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    signal.setitimer(signal.ITIMER_REAL, every_s, every_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("mode", ["2pass", "offline"])
def test_submitting_to_the_stream_it_interrupted(model: AutoModel, mode: str) -> None:
    answers: list[Future[Any]] = []
    with model.stream(mode=mode, max_pending=10**6) as stream:
        with interrupted(lambda: answers.append(stream.submit(PIECE[:100]))):
            for _ in range(300):
                answers.append(stream.submit(PIECE[:50]))
                stream.push(PIECE[:50])
        stream.finish(timeout=100)
        assert all(isinstance(one.result(100), list) for one in answers)


def test_feeding_the_stream_it_interrupted(model: AutoModel) -> None:
    """Either it is between two chunks, or it is told that this cannot be."""
    told: list[str] = []
    with model.stream() as stream:
        within: list[bool] = []

        def handler() -> None:
            if within:  # on a slow machine it would never come to an end
                return
            within.append(True)
            try:
                stream.feed(PIECE[:100], timeout=100)
                told.append("fed")
            except InterruptedCallError:
                told.append("refused")
            within.clear()

        with interrupted(handler, 0.005):
            for count in range(3000):  # on a busy machine it takes long to come between two
                if count >= 100 and "fed" in told:
                    break
                stream.submit(PIECE[:50]).result(100)
        stream.finish(timeout=100)
    assert "fed" in told


def test_feeding_the_stream_while_it_looks_for_the_next_chunk(model: AutoModel) -> None:
    """At the very moment: nothing has begun yet, but without the lock nothing can end."""
    told: list[str] = []
    with model.stream() as stream:
        queue = stream._queue
        look = queue._next

        def handler() -> None:
            try:
                stream.feed(PIECE[:100], timeout=20)
                told.append("fed")  # both chunks had ended by the time that it would have waited
            except InterruptedCallError:
                told.append("refused")

        def interrupted_look() -> Any:
            queue._next = look  # type: ignore[method-assign]
            before = signal.signal(signal.SIGUSR1, lambda *_: handler())
            signal.raise_signal(signal.SIGUSR1)
            signal.signal(signal.SIGUSR1, before)
            return look()

        queue._next = interrupted_look  # type: ignore[method-assign]
        stream.submit(PIECE[:9600]).result(60)
        assert told in (["refused"], ["fed"])
        stream.finish(timeout=60)


@pytest.mark.parametrize("what", ["feed", "result", "close"])
def test_waiting_for_a_chunk_that_is_being_begun(model: AutoModel, what: str) -> None:
    """At the very moment: the handler runs in the middle of the chunk's first step."""
    seen: list[Any] = []
    with model.stream() as stream:
        process = stream._queue._pipeline.process

        def in_the_middle(*arguments: Any) -> Any:
            stream._queue._pipeline.process = process  # type: ignore[method-assign]
            before = signal.signal(signal.SIGUSR1, lambda *_: handler())
            signal.raise_signal(signal.SIGUSR1)
            signal.signal(signal.SIGUSR1, before)
            return process(*arguments)

        def handler() -> None:
            try:
                if what == "feed":
                    stream.feed(PIECE)
                elif what == "result":
                    stream.submit(PIECE).result()
                else:
                    stream.close()
                    seen.append("closed")
            except SafeASRError as error:
                seen.append(error)

        stream._queue._pipeline.process = in_the_middle  # type: ignore[method-assign]
        answer = stream.submit(PIECE)
        if what == "close":
            assert seen == ["closed"]
        else:
            assert isinstance(seen[0], InterruptedCallError)
            assert isinstance(seen[0], RuntimeError)
        assert isinstance(answer.result(100), list)


def test_recordings_and_caches(model: AutoModel) -> None:
    """Every path that holds a lock, interrupted at random moments."""
    answers: list[Future[Any]] = []
    clip = speech(0.5, seed=2)
    cache: dict[str, Any] = {}
    refused = []
    with AutoModel("demo-streaming", num_workers=1, disable_pbar=True) as streaming:
        depth = 0

        def handler() -> None:
            nonlocal depth
            if depth == 3:  # on a busy machine they would interrupt each other without end
                return
            depth += 1
            answers.append(model.submit(clip))
            answers[-1].add_done_callback(lambda _: None)
            answers[-1].cancel()
            model.stats()
            try:
                streaming.submit(PIECE, cache=cache, is_final=False, fs=44100)
            except InterruptedCallError as error:
                refused.append(error)
            depth -= 1

        with interrupted(handler, 0.005):
            for _ in range(60):
                answers.append(model.submit(clip))
                answers[-1].add_done_callback(lambda _: None)
                streaming.submit(PIECE, cache=cache, is_final=False, fs=44100)
        streaming.generate(PIECE, cache=cache, is_final=True, fs=44100, timeout=100)
        for one in answers:
            assert one.wait(100)


def test_a_cache_in_the_middle_of_a_chunk() -> None:
    """The resampler has heard a piece that is not queued yet: another one cannot overtake it."""
    cache: dict[str, Any] = {}
    with AutoModel("demo-streaming", num_workers=1, disable_pbar=True) as one:
        one.generate(PIECE, cache=cache, is_final=False, fs=8000)
        found = cache[CACHE_ENTRY]
        resample, told = found.resample, []

        class Interrupted:
            rate = resample.rate
            take_back = staticmethod(resample.take_back)

            def __call__(self, samples: Any, last: bool) -> Any:
                with pytest.raises(InterruptedCallError) as caught:
                    one.generate(PIECE, cache=cache, is_final=False, fs=8000)
                told.append(caught.value)
                return resample(samples, last)

        found.resample = Interrupted()
        one.generate(PIECE, cache=cache, is_final=False, fs=8000)
        found.resample = resample
        assert told
        one.generate(PIECE, cache=cache, is_final=True, fs=8000, timeout=60)


def test_closing_in_a_handler() -> None:
    """As programs do on SIGTERM: what was accepted is finished, or told that it is over."""
    clip = speech(1.0, seed=2)
    for delay in (0.0005, 0.002, 0.01, 0.05):
        one = AutoModel("demo", vad_model="demo-vad", num_workers=1, disable_pbar=True)
        signal.signal(signal.SIGALRM, lambda *_, one=one: one.close())
        signal.setitimer(signal.ITIMER_REAL, delay)
        ended = 0
        try:
            while not one.closed:
                try:
                    ended += len(one.generate([clip] * 5))
                except SafeASRError:
                    break
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        assert one.closed


@pytest.mark.parametrize("dispatcher", [CALLBACKS, STEPS])
def test_locks_let_their_own_thread_in(dispatcher: Any) -> None:
    with dispatcher._lock, dispatcher._lock:
        pass
    entered = []
    with dispatcher._lock:
        thread = threading.Thread(target=lambda: entered.append(dispatcher._lock.acquire(False)))
        thread.start()
        thread.join(10)
    assert entered == [False], "others wait outside"
    time.sleep(0)


def test_many_pieces_in_order(model: AutoModel) -> None:
    """The turn of a stream is handed on: nothing is left behind, whoever submits."""
    with model.stream(mode="offline", max_pending=10**6) as stream:
        futures: list[Any] = []

        def feed() -> None:
            for _ in range(100):
                futures.append(stream.submit(np.zeros(10, np.float32)))

        threads = [threading.Thread(target=feed) for _ in range(4)]
        for thread in threads:
            thread.start()
        with interrupted(lambda: futures.append(stream.submit(np.zeros(10, np.float32)))):
            for thread in threads:
                thread.join(100)
        assert all(one.wait(100) for one in futures)
        assert len(futures) >= 400
