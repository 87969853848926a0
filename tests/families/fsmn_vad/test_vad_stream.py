"""FSMN-VAD piece by piece: what FunASR reports, at the piece at which FunASR reports it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from support.audio import Samples
from support.vad import (
    INFINITY,
    SHAPES,
    Segments,
    VadOracle,
    conversation,
    cut,
    real_recordings,
    shared_data,
    write_vad_dir,
)

pytest.importorskip("funasr", reason="funasr is the reference")

CHUNKS = [60, 100, 200, 400]
#: Options of the constructor and of the stream.
OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"max_end_silence_time": 300}),
    ({}, {"dynamic_silence": False, "speech_noise_thres": 0.75}),
    ({}, {"silence_schedule": [(600, 800), (2000, 400), (INFINITY, 150)]}),
    ({}, {"dynamic_silence": True, "max_end_silence_time": 100}),
    ({}, {"is_streaming_input": False}),
    ({"max_single_segment_time": 1200}, {}),
    ({"detect_mode": 0}, {}),
    ({"detect_mode": 0, "max_start_silence_time": 150}, {"dynamic_silence": False}),
    ({"do_extend": 0}, {"max_end_silence_time": 500}),
    ({"snr_thres": 5.0, "decibel_thres": -20.0}, {}),
    ({"lookback_time_start_point": 500, "lookahead_time_end_point": 30}, {}),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vad_dir(tmp_path_factory.mktemp("vad"), SHAPES[0], 0)


@pytest.fixture(scope="module")
def streams() -> Iterator[Callable[..., Any]]:
    """Makes streams: (directory, options of the constructor, options of the stream)."""
    with ExitStack() as closing:
        models: dict[str, AutoModel] = {}

        def make(path: Path, **options: Any) -> Any:
            if str(path) not in models:
                models[str(path)] = closing.enter_context(AutoModel(str(path), num_workers=1))
            return models[str(path)].stream(**options)

        yield make


def run(stream: Any, pieces: list[Samples]) -> list[Segments]:
    last = len(pieces) - 1
    return [stream.feed(piece, index == last)["value"] for index, piece in enumerate(pieces)]


def check(
    path: Path, streams: Callable[..., Any], wave: Samples, sizes: list[int | None], jobs: Any
) -> list[Segments]:
    """Compare every piece's answer; returns all that were not empty.

    Sizes are in samples; 0: as long as a chunk, None: random.
    """
    found: list[Segments] = []
    for number, (constructor, call) in enumerate(jobs):
        oracle = VadOracle(path, **constructor)
        # The defaults with every chunk size, the others with one each.
        for chunk in CHUNKS if not call and not constructor else [CHUNKS[number % 4]]:
            for size in sizes:
                options = {"chunk_size": chunk, **call}
                pieces = cut(wave, chunk * 16 if size == 0 else size, seed=chunk)
                expected = oracle.stream(pieces, **options)
                got = run(streams(path, **constructor, **options), pieces)
                assert got == expected, (constructor, options, size)
                found += [one for one in expected if one]
    return found


@pytest.mark.slow
def test_random_weights(directory: Path, streams: Callable[..., Any]) -> None:
    found = check(directory, streams, conversation(14, seed=1), [0, 1234, None], OPTIONS)
    flat = [segment for one in found for segment in one]
    assert any(start >= 0 and end == -1 for start, end in flat)
    assert any(start == -1 and end >= 0 for start, end in flat)
    assert any(start >= 0 and end >= 0 for start, end in flat)
    assert len({str(one) for one in found}) > 20


@pytest.mark.parametrize("shape", SHAPES[1:2], ids=lambda shape: shape.name)
@pytest.mark.slow
def test_other_shapes(tmp_path: Path, streams: Callable[..., Any], shape: Any) -> None:
    path = write_vad_dir(tmp_path / "vad", shape, 3)
    assert check(path, streams, conversation(12, seed=2), [0, None], OPTIONS[:4])


@pytest.mark.slow
def test_real_weights(streams: Callable[..., Any]) -> None:
    root = shared_data()
    if root is None:
        pytest.skip("no real weights: set SAFEASR_TEST_DATA")
    path = root / "models" / "fsmn-vad"
    for name, wave in real_recordings():
        long = name.startswith("vad")
        found = check(path, streams, wave, [0, None] if not long else [0], OPTIONS[:2])
        assert found
        found = check(path, streams, wave[: 20 * 16000], [0], OPTIONS[2:])
        assert found


def test_12_threads_with_different_options(directory: Path, streams: Callable[..., Any]) -> None:
    """Sessions of one model, at once; each gets what FunASR's one thread gives it alone."""
    calls = [call for constructor, call in OPTIONS if not constructor]
    jobs = []
    for index in range(12):
        options = {"chunk_size": CHUNKS[index % 4], **calls[index % len(calls)]}
        jobs.append((options, cut(conversation(8, seed=20 + index), [None, 960, 1600][index % 3])))
    oracle = VadOracle(directory)
    expected = [oracle.stream(pieces, **options) for options, pieces in jobs]
    for _ in range(3):
        sessions = [streams(directory, **options) for options, _ in jobs]
        with ThreadPoolExecutor(12) as pool:
            got = list(pool.map(run, sessions, [pieces for _, pieces in jobs]))
        assert got == expected


def test_a_stream_can_be_used_again(directory: Path, streams: Callable[..., Any]) -> None:
    """With its own options: FunASR would go on without speech_noise_thres."""
    pieces = cut(conversation(10, seed=4), 3200)
    options = {"chunk_size": 200, "max_end_silence_time": 250, "speech_noise_thres": 0.7}
    expected = VadOracle(directory).stream(pieces, **options)
    stream = streams(directory, **options)
    assert run(stream, pieces) == expected
    assert run(stream, pieces) == expected


def test_an_empty_last_piece_ends_the_stream(directory: Path, streams: Callable[..., Any]) -> None:
    """FunASR returns at once for it, and what was open stays open."""
    wave = conversation(10, seed=6)
    options = {"chunk_size": 200, "is_streaming_input": False}
    whole = run(streams(directory, **options), cut(wave, 1000))
    pieces = [*cut(wave, 1000), np.zeros(0, np.float32)]
    ended = run(streams(directory, **options), pieces)
    assert [s for one in ended for s in one] == [s for one in whole for s in one]


def test_an_error_changes_nothing(directory: Path, streams: Callable[..., Any]) -> None:
    pieces = cut(conversation(8, seed=7), 3200)
    options = {"chunk_size": 200}
    expected = run(streams(directory, **options), pieces)
    stream = streams(directory, **options)
    got = []
    for index, piece in enumerate(pieces):
        broken = piece.copy()
        broken[len(piece) // 2] = np.nan
        with pytest.raises(ValueError, match="finite"):
            stream.feed(broken)
        got.append(stream.feed(piece, index == len(pieces) - 1)["value"])
    assert got == expected


def test_chunks_without_a_frame(directory: Path, streams: Callable[..., Any]) -> None:
    """FunASR divides by the number of frames of a call."""
    stream = streams(directory, chunk_size=10)
    wave = conversation(6, seed=8)
    last = len(wave) // 160 - 1
    got = [stream.feed(wave[i * 160 : (i + 1) * 160], i == last)["value"] for i in range(last + 1)]
    with pytest.raises(ZeroDivisionError):
        VadOracle(directory).stream(cut(wave, 160), chunk_size=10)
    starts = [s for one in got for s, _ in one if s >= 0]
    ends = [e for one in got for _, e in one if e >= 0]
    assert starts
    assert len(starts) == len(ends)
