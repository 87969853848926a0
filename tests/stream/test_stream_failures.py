"""Streams when something goes wrong: late, full, failed, cancelled, interrupted, forked.

The pipeline here is a stand-in that does what it is told when it is told.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

from safeasr import (
    CancelledError,
    DeadlineExceededError,
    InferenceError,
    QueueFullError,
)
from safeasr.stream.stream import Stream
from support.slow_pipeline import Slow
from support.waiting import until


def chunk(number: int) -> Any:
    """Samples that name their chunk."""
    return np.full(4, number, np.float32)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def stream(slow: Slow) -> Generator[Stream, None, None]:
    """A stream of three waiting chunks at most."""
    with Stream(slow.pipeline, max_pending=3) as one:
        yield one
    slow.finish_all()


def test_chunks_wait_for_the_one_before(slow: Slow, stream: Stream) -> None:
    answers = [stream.submit(chunk(i)) for i in range(4)]
    assert slow.begun == [0]
    for i in range(4):
        assert not answers[i].done()
        slow.finish(f"text {i}")
        assert answers[i].result(30) == f"text {i}"
        begun = [*range(min(i + 2, 4))]
        until(lambda begun=begun: slow.begun == begun)


def test_a_full_stream(slow: Slow, stream: Stream) -> None:
    """As many wait as may wait; what is refused never came."""
    answers = [stream.submit(chunk(i)) for i in range(4)]
    for _ in range(3):
        for call in (stream.submit, stream.push, stream.feed):
            with pytest.raises(QueueFullError, match="3 chunks of this stream"):
                call(chunk(9))
    slow.finish("text 0")
    assert answers[0].result(30) == "text 0"  # whoever has an answer may bring the next chunk
    answers.append(stream.submit(chunk(4)))
    until(lambda: slow.begun == [0, 1])
    with pytest.raises(QueueFullError):
        stream.submit(chunk(9))
    for i in range(1, 5):
        slow.finish(f"text {i}")
    assert [answer.result(30) for answer in answers] == [f"text {i}" for i in range(5)]
    assert slow.begun == [0, 1, 2, 3, 4]


def test_a_stream_that_lets_nobody_wait(slow: Slow) -> None:
    stream = Stream(slow.pipeline, max_pending=0)
    for i in range(3):
        answer = stream.submit(chunk(i))
        with pytest.raises(QueueFullError):
            stream.submit(chunk(9))
        slow.finish(i)
        assert answer.result(30) == i


def test_a_failed_chunk_fails_alone(slow: Slow, stream: Stream) -> None:
    answers = [stream.submit(chunk(i)) for i in range(3)]
    slow.finish("text 0")
    slow.finish(InferenceError("a value is too large"))
    slow.finish("text 2")
    assert answers[0].result(30) == "text 0"
    assert isinstance(answers[1].exception(30), InferenceError)
    assert answers[2].result(30) == "text 2"
    for i in range(3):
        stream.push(chunk(i), i == 2)
    for i in range(3):
        slow.finish(InferenceError("again") if i == 1 else i)
    assert next(stream) == 0
    with pytest.raises(InferenceError, match="again"):
        next(stream)
    assert next(stream) == 2
    with pytest.raises(StopIteration):
        next(stream)


def test_too_late(slow: Slow, stream: Stream) -> None:
    """Before its turn: it never runs. While it runs: it goes on, and the stream with it."""
    running = stream.submit(chunk(0))
    for call in (stream.feed, lambda c, timeout: asyncio.run(stream.afeed(c, timeout=timeout))):
        with pytest.raises(DeadlineExceededError):
            call(chunk(1), timeout=0.02)
    late = stream.submit(chunk(2), timeout=0.02)
    time.sleep(0.03)
    slow.finish("text 0")
    assert running.result(30) == "text 0"
    assert isinstance(late.exception(30), DeadlineExceededError)
    assert slow.begun == [0]
    for number, call in enumerate(
        (stream.feed, lambda c, timeout: asyncio.run(stream.afeed(c, timeout=timeout))), 3
    ):
        with pytest.raises(DeadlineExceededError):
            call(chunk(number), timeout=0.02)
        assert slow.begun[-1] == number
        after = stream.submit(chunk(10 * number))
        slow.finish("nobody waits for it")
        slow.finish("text")
        assert after.result(30) == "text"


def test_its_own_deadline_error(slow: Slow, stream: Stream) -> None:
    """An error of the engine is a TimeoutError, too: it must not be taken for our waiting."""
    threading.Timer(0.05, lambda: slow.finish(DeadlineExceededError("the engine's"))).start()
    with pytest.raises(DeadlineExceededError, match="the engine's"):
        stream.feed(chunk(0))
    threading.Timer(0.05, lambda: slow.finish(DeadlineExceededError("the engine's"))).start()
    with pytest.raises(DeadlineExceededError, match="the engine's"):
        asyncio.run(stream.afeed(chunk(0), timeout=30))


@pytest.mark.parametrize("how", ["close", "reset"])
def test_closed_or_reset_while_chunks_wait(slow: Slow, stream: Stream, how: str) -> None:
    """Whoever waits is told, on threads and on asyncio; the one under way ends alone."""
    first = stream.submit(chunk(0))
    errors: list[BaseException] = []

    def wait_on_a_thread() -> None:
        try:
            stream.feed(chunk(1))
        except BaseException as error:
            errors.append(error)

    async def wait_on_a_loop() -> None:
        try:
            await stream.afeed(chunk(2))
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=wait_on_a_thread),
        threading.Thread(target=lambda: asyncio.run(wait_on_a_loop())),
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(stream._queue._jobs) == 2)
    getattr(stream, how)()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    # Not asyncio's CancelledError: nobody cancelled the task.
    assert [type(error) for error in errors] == [CancelledError, CancelledError]
    slow.finish("text 0")
    assert first.result(30) == "text 0"
    assert slow.begun == [0]
    if how == "reset":
        answer = stream.submit(chunk(3))
        slow.finish("text 3")
        assert answer.result(30) == "text 3"
        assert slow.pipelines == 2
    else:
        for call in (stream.feed, stream.push, stream.submit, stream.finish):
            with pytest.raises(ValueError, match="closed"):
                call(chunk(4))
        with pytest.raises(ValueError, match="closed"):
            stream.reset()
        stream.close()


def test_iteration_passes_over_what_a_reset_cancelled(slow: Slow, stream: Stream) -> None:
    """One iteration for each of them would end too soon, and the next ones too."""
    for i in range(4):
        stream.push(chunk(i), i == 3)
    stream.reset()
    slow.finish("text 0")
    stream.push(chunk(5))
    slow.finish("text 5")
    stream.push(chunk(6), True)
    slow.finish("text 6")
    assert list(stream) == ["text 0", "text 5", "text 6"]
    stream.push(chunk(7))
    stream.push(chunk(8))
    stream.close()
    slow.finish("text 7")
    assert list(stream) == ["text 7"]
    assert list(stream) == []


def test_async_iteration_ends_at_close(slow: Slow, stream: Stream) -> None:
    async def main() -> None:
        stream.push(chunk(0))
        stream.push(chunk(1))
        reading = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.02)
        stream.close()
        slow.finish("text 0")
        assert await reading == "text 0"
        assert [r async for r in stream] == []

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_reader_with_a_time_limit_loses_nothing(slow: Slow, stream: Stream) -> None:
    """Its giving up neither takes a result with it nor cancels the chunk."""

    async def main() -> list[Any]:
        got = []
        for i in range(40):
            if i % 2:
                stream.push(chunk(i))
            limit = 0 if i % 3 else 0.003
            try:
                got.append(await asyncio.wait_for(anext(stream), limit))
            except TimeoutError:
                pass
            except asyncio.TimeoutError:
                pass
            if not i % 2:
                stream.push(chunk(i))
            slow.finish(i)
        stream.close()
        return got + [result async for result in stream]

    assert asyncio.run(asyncio.wait_for(main(), 30)) == list(range(40))


def test_a_cancelled_task_takes_its_chunk_back(slow: Slow, stream: Stream) -> None:
    async def main() -> None:
        first = asyncio.create_task(stream.afeed(chunk(0)))
        second = asyncio.create_task(stream.afeed(chunk(1)))
        await asyncio.sleep(0.02)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert slow.begun == [0]
        slow.finish("text 0")
        assert await first == "text 0"
        assert slow.begun == [0]

    asyncio.run(asyncio.wait_for(main(), 30))


def test_two_threads_push(slow: Slow) -> None:
    """Results come in the order in which the chunks were taken."""
    stream = Stream(slow.pipeline, max_pending=10_000)

    def push(start: int) -> None:
        for i in range(300):
            stream.push(chunk(start + i))

    threads = [threading.Thread(target=push, args=(1000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    got = []
    for _ in range(2400):
        until(lambda: bool(slow.waiting))
        slow.finish(slow.begun[-1])
        got.append(next(stream))
    assert got == slow.begun
    assert sorted(got) == sorted(1000 * n + i for n in range(8) for i in range(300))
