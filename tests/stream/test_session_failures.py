"""Streams in a caller's cache when pieces are bad, refused, cancelled or late."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    QueueFullError,
)
from support.audio import speech
from support.waiting import until

pytest.importorskip("funasr", reason="funasr makes the model")

from support.streaming import (
    SHAPES,
    pieces_of,
    safe_texts,
    write_streaming_dir,
)
from support.streaming_programs import gated_streaming_bundle

OPTIONS: dict[str, Any] = {
    "chunk_size": [0, 8, 4],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}
WAVE = speech(5, seed=31)
#: Every piece is a step and a little more, so that each has to run.
PIECES = pieces_of(WAVE, 8000)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The shape with the most tokens: whatever is lost or doubled shows.
    return write_streaming_dir(tmp_path_factory.mktemp("streaming"), SHAPES[1], 1)


@pytest.fixture(scope="module")
def streaming(directory: Path) -> Iterator[AutoModel]:
    with AutoModel(str(directory), num_workers=1, disable_pbar=True) as one:
        yield one


@pytest.fixture
def gated(directory: Path, tmp_path: Path, gate: Any) -> Iterator[Callable[..., AutoModel]]:
    """Makes models whose encoder stands still until the gate is opened."""
    bundle = gated_streaming_bundle(directory, tmp_path / "gated", gate.path)
    with ExitStack() as closing:

        def make(**options: Any) -> AutoModel:
            one = AutoModel(str(bundle), num_workers=1, disable_pbar=True, **options)
            closing.callback(one.close, drain=False)
            closing.callback(gate.open)  # first: closing waits for what runs
            return one

        yield make


def feed(model: AutoModel, cache: dict[str, Any], piece: Any, final: bool, **options: Any) -> str:
    text: str = model.generate(piece, cache=cache, is_final=final, **options)[0]["text"]
    return text


@pytest.mark.parametrize("bad", ["nan", "text", "shape", "type", "missing file"])
def test_a_bad_piece_never_came(streaming: AutoModel, bad: str) -> None:
    values: dict[str, Any] = {
        "nan": np.full(9000, np.nan, np.float32),
        "text": b"odd",
        "shape": np.zeros((40, 40, 2), np.float32),
        "type": np.zeros(100, np.complex64),
        "missing file": "nowhere.wav",
    }
    cache: dict[str, Any] = {}
    texts = []
    for piece, final in PIECES:
        for is_final in (False, True):
            with pytest.raises(AudioError):
                feed(streaming, cache, values[bad], is_final, **OPTIONS)
        texts.append(feed(streaming, cache, piece, final, **OPTIONS))
    assert tuple(texts) == safe_texts(streaming, PIECES, OPTIONS)


def test_a_refused_piece_never_came(
    gated: Callable[..., AutoModel], streaming: AutoModel, gate: Any
) -> None:
    """Too many streams or a passed deadline change neither the stream nor its options.

    If a refused last piece counted as the end, other options would begin a new stream unseen.
    """
    gate.open()
    model = gated(max_streams=1, max_batch_size=1)
    other = {**OPTIONS, "chunk_size": [0, 10, 5]}
    cache: dict[str, Any] = {}
    held = model.stream(**OPTIONS)
    with pytest.raises(QueueFullError, match="max_streams"):
        model.submit(PIECES[0][0], cache=cache, is_final=False, **other)
    del held
    gc.collect()
    first = feed(model, cache, *PIECES[0], **OPTIONS)  # begun with other options: nothing began
    for call in (model.submit, model.generate):
        with pytest.raises(DeadlineExceededError):
            call(PIECES[1][0], cache=cache, is_final=True, timeout=1e-9, **OPTIONS)
    with pytest.raises(ValueError, match="chunk_size"):
        feed(model, cache, *PIECES[1], **other)
    rest = [feed(model, cache, *piece, **OPTIONS) for piece in PIECES[1:]]
    assert (first, *rest) == safe_texts(streaming, PIECES, OPTIONS)


def test_cancelled_and_late_pieces_never_came(
    gated: Callable[..., AutoModel], streaming: AutoModel, gate: Any
) -> None:
    """Those behind the one that runs are taken back; the others keep their order."""
    model = gated()
    cache: dict[str, Any] = {}
    lates = []
    futures = [model.submit(PIECES[0][0], cache=cache, is_final=False, **OPTIONS)]
    until(futures[0].running)
    for piece, final in PIECES[1:]:
        doomed = model.submit(piece[::-1], cache=cache, is_final=False, **OPTIONS)
        late = model.submit(piece, cache=cache, is_final=False, timeout=0.5, **OPTIONS)
        futures.append(model.submit(piece, cache=cache, is_final=final, **OPTIONS))
        assert doomed.cancel()
        with pytest.raises(CancelledError):
            doomed.result(60)
        lates.append(late)
    time.sleep(0.51)
    gate.open()
    texts = tuple(future.result(60)[0]["text"] for future in futures)
    assert texts == safe_texts(streaming, PIECES, OPTIONS)
    for late in lates:
        with pytest.raises(DeadlineExceededError):
            late.result(60)
    stats = model.stats()
    assert (stats["cancelled"], stats["expired"]) == (len(PIECES) - 1, len(PIECES) - 1)


@pytest.mark.parametrize("drain", [True, False])
def test_close_with_pieces_waiting(
    gated: Callable[..., AutoModel], streaming: AutoModel, gate: Any, drain: bool
) -> None:
    """Accepted is accepted: drained, each has its text; else each has its error."""
    model = gated()
    caches: list[dict[str, Any]] = [{} for _ in range(5)]
    futures = [
        [model.submit(p, cache=cache, is_final=f, **OPTIONS) for p, f in PIECES] for cache in caches
    ]
    until(futures[0][0].running)
    closing = threading.Thread(target=model.close, kwargs={"drain": drain})
    closing.start()
    until(lambda: model.closed)
    with pytest.raises(EngineClosedError):
        model.generate(PIECES[0][0], cache=caches[0], **OPTIONS)
    gate.open()
    closing.join(60)
    assert not closing.is_alive()
    assert all(future.done() for one in futures for future in one)
    if drain:
        expected = safe_texts(streaming, PIECES, OPTIONS)
        for one in futures:
            assert tuple(future.result()[0]["text"] for future in one) == expected
    else:
        errors = [future.exception() for one in futures for future in one]
        assert sum(isinstance(error, EngineClosedError) for error in errors) >= len(errors) - 5
