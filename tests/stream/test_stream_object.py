"""``model.stream()``: chunks in from any thread, results out in order, whatever happens between."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, EngineClosedError
from safeasr.stream.stream import Stream
from support.audio import speech
from support.waiting import until

pytest.importorskip("funasr", reason="funasr makes the model")

from support.streaming import SHAPES, pieces_of, safe_texts, write_streaming_dir

OPTIONS: dict[str, Any] = {
    "chunk_size": [0, 8, 4],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}
WAVE = speech(4, seed=41)
PIECES = pieces_of(WAVE, 5000)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streaming_dir(tmp_path_factory.mktemp("streaming"), SHAPES[1], 1)


@pytest.fixture(scope="module")
def model(directory: Path) -> Iterator[AutoModel]:
    with AutoModel(str(directory), num_workers=1, disable_pbar=True) as one:
        yield one


@pytest.fixture(scope="module")
def expected(model: AutoModel) -> tuple[str, ...]:
    """What FunASR's way to stream brings for PIECES, piece by piece."""
    texts = safe_texts(model, PIECES, OPTIONS)
    assert len("".join(texts)) > 10
    return texts


def run(stream: Stream) -> tuple[str, ...]:
    return tuple(stream.feed(piece, final)["text"] for piece, final in PIECES)


def test_feed_and_finish(model: AutoModel, expected: tuple[str, ...]) -> None:
    with model.stream(key="me", **OPTIONS) as stream:
        results = [stream.feed(piece) for piece, _ in PIECES[:-1]]
        results.append(stream.finish(PIECES[-1][0]))
        assert [r["key"] for r in results] == ["me"] * len(PIECES)
        assert tuple(r["text"] for r in results) == expected
        assert run(stream) == expected  # used again
        # No last samples: the same text, a little later.
        assert "".join(stream.feed(p)["text"] for p, _ in PIECES) != "".join(expected)
        assert stream.finish()["text"]
    assert stream.closed


def test_no_callback_stops_the_stream(
    model: AutoModel, expected: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any) -> None:
        raise SystemExit("of a callback")

    with model.stream(**OPTIONS) as stream:
        answers = [stream.submit(piece, final) for piece, final in PIECES]
        for answer in answers:
            try:
                answer.add_done_callback(broken)
            except SystemExit:
                assert answer.done()
        assert tuple(answer.result(30)["text"] for answer in answers) == expected
        assert run(stream) == expected


def test_the_text_so_far(model: AutoModel, expected: tuple[str, ...]) -> None:
    """All tokens together, until the next utterance begins: a word may come in two chunks."""
    stream = model.stream(**OPTIONS)
    assert stream.text == ""
    seen = []
    for piece, final in PIECES:
        stream.feed(piece, final)
        seen.append(stream.text)
    assert len(set(seen)) > 3
    assert seen[-1].startswith(expected[1])
    whole = model.stream(**OPTIONS)
    assert whole.finish(WAVE)["text"] == whole.text == seen[-1]
    stream.feed(PIECES[0][0][:100])
    assert stream.text == ""
    stream.finish(WAVE)
    stream.reset()
    assert stream.text == ""


def test_results_come_in_the_order_of_the_chunks(
    model: AutoModel, expected: tuple[str, ...]
) -> None:
    stream = model.stream(**OPTIONS)
    for _ in range(3):
        answers = [stream.submit(piece, final) for piece, final in PIECES]
        assert tuple(answer.result(60)["text"] for answer in answers) == expected
    for _ in range(3):
        for piece, final in PIECES:
            stream.push(piece, final)
    for _ in range(3):
        assert tuple(result["text"] for result in stream) == expected


def test_one_thread_pushes_another_iterates(model: AutoModel, expected: tuple[str, ...]) -> None:
    stream = model.stream(**OPTIONS)
    got: list[tuple[str, ...]] = []

    def read() -> None:
        for _ in range(3):
            got.append(tuple(result["text"] for result in stream))
        got.append(tuple(result["text"] for result in stream))  # ended by close

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        for piece, final in PIECES:
            stream.push(piece, final)
            time.sleep(0.001)
    until(lambda: len(got) == 3)
    stream.close()
    reader.join(60)
    assert not reader.is_alive()
    assert got == [expected] * 3 + [()]


def test_async_feed_and_iteration(model: AutoModel, expected: tuple[str, ...]) -> None:
    async def main() -> None:
        async with model.stream(**OPTIONS) as stream:
            fed = [(await stream.afeed(p, f))["text"] for p, f in PIECES]
            assert tuple(fed) == expected
            for piece, _ in PIECES:
                await stream.afeed(piece)
            assert (await stream.afinish())["text"]

            async def pump() -> None:
                for piece, final in PIECES * 2:
                    stream.push(piece, final)
                    await asyncio.sleep(0)

            pumping = asyncio.create_task(pump())
            for _ in range(2):
                assert tuple([r["text"] async for r in stream]) == expected
            await pumping
        assert stream.closed

    asyncio.run(asyncio.wait_for(main(), 60))


def test_200_streams_on_one_event_loop(model: AutoModel, expected: tuple[str, ...]) -> None:
    before = model.stats()

    async def one(index: int) -> tuple[str, ...]:
        async with model.stream(**OPTIONS) as stream:
            if index % 2:
                return tuple([(await stream.afeed(p, f))["text"] for p, f in PIECES])
            for piece, final in PIECES:
                stream.push(piece, final)
            return tuple([r["text"] async for r in stream])

    async def main() -> list[tuple[str, ...]]:
        return await asyncio.gather(*(one(i) for i in range(200)))

    got = asyncio.run(asyncio.wait_for(main(), 120))
    assert got == [expected] * 200
    after = model.stats()
    batches = after["batches"] - before["batches"]
    assert after["batched_requests"] - before["batched_requests"] > 5 * batches


def test_64_threads_each_with_a_stream(model: AutoModel, expected: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(64) as pool:
        streams = [model.stream(**OPTIONS) for _ in range(64)]
        for _ in range(2):
            assert list(pool.map(run, streams)) == [expected] * 64


def test_64_threads_on_one_stream(model: AutoModel) -> None:
    """Nothing lost, nothing doubled, whoever runs whose chunk."""
    piece = WAVE[:3000]
    alone = model.stream(**OPTIONS)
    wanted = sorted(alone.feed(piece)["text"] for _ in range(192))
    stream = model.stream(**OPTIONS)
    with ThreadPoolExecutor(64) as pool:
        got = sorted(pool.map(lambda _: stream.feed(piece)["text"], range(192)))
    assert got == wanted
    assert stream.finish() == {**alone.finish(), "key": stream.finish()["key"]}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"chunk_size": [0, 0, 5]}, "chunk_size"),
        ({"chunk_size": 10}, "chunk_size"),
        ({"encoder_chunk_look_back": -2}, "encoder_chunk_look_back"),
        ({"fs": 10}, "fs"),
        ({"fs": "16k"}, "fs"),
        ({"max_pending": -1}, "max_pending"),
        ({"mode": "3pass"}, "mode"),
    ],
)
def test_wrong_options_are_refused_at_once(
    model: AutoModel, options: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        model.stream(**options)


def test_unknown_options_are_named(model: AutoModel) -> None:
    with pytest.warns(UserWarning, match="chunk_sise"):
        model.stream(chunk_sise=[0, 10, 5])


def test_after_the_model_is_closed(directory: Path) -> None:
    model = AutoModel(str(directory), num_workers=1, disable_pbar=True)
    stream = model.stream(**OPTIONS)
    stream.feed(PIECES[0][0])
    model.close()
    with pytest.raises(EngineClosedError):
        model.stream()
    for _ in range(3):
        with pytest.raises(EngineClosedError):
            stream.feed(PIECES[1][0])
    assert isinstance(stream.submit(PIECES[1][0]).exception(60), EngineClosedError)
    stream.push(PIECES[1][0], True)
    with pytest.raises(EngineClosedError):
        next(stream)
    with pytest.raises(EngineClosedError):
        asyncio.run(stream.afeed(PIECES[1][0]))
    stream.reset()
    stream.close()


def test_a_dropped_stream_is_freed(model: AutoModel) -> None:
    """Also with chunks under way, which then still get their answer."""
    stream = model.stream(**OPTIONS)
    stream.feed(PIECES[0][0])
    gone = weakref.ref(stream)
    answers = [stream.submit(piece, final) for piece, final in PIECES[1:]]
    del stream
    assert all(answer.result(60) for answer in answers)
    until(lambda: gc.collect() >= 0 and gone() is None)


def test_a_stream_keeps_its_model(directory: Path, expected: tuple[str, ...]) -> None:
    stream = AutoModel(str(directory), num_workers=1, disable_pbar=True).stream(**OPTIONS)
    gc.collect()
    assert run(stream) == expected
