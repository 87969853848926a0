"""Every option of FSMN-VAD against FunASR, from every place it can come from; and wrong ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from support.audio import Samples
from support.vad import INFINITY, SHAPES, VadOracle, conversation, cut, write_vad_dir

pytest.importorskip("funasr", reason="funasr is the reference")

#: Values that change something, of each option of the model and the constructor.
MODEL: dict[str, list[Any]] = {
    "detect_mode": [0, 1],
    "max_end_silence_time": [200, 400, 2000, 155],
    "max_start_silence_time": [0, 100, 1000],
    "window_size_ms": [50, 100, 300, 400, 55],
    "sil_to_speech_time_thres": [20, 50, 100, 200],
    "speech_to_sil_time_thres": [0, 50, 100],
    "speech_2_noise_ratio": [0.5, 2.0],
    "do_extend": [0, 1, False, True],
    "lookback_time_start_point": [0, 30, 500, 1000, 55],
    "lookahead_time_end_point": [0, 30, 500, 1000, 55],
    "max_single_segment_time": [500, 1000, 3000, 1234],
    "snr_thres": [3.0, 10.0],
    "noise_frame_num_used_for_snr": [1, 10],
    "decibel_thres": [-20.0, -5.0],
    "speech_noise_thres": [0.0, 0.2, 0.8, 0.9],
    "fe_prior_thres": [0.5, 1.0],
}
#: Options without which another one changes nothing.
COMPANY: dict[str, dict[str, Any]] = {
    "max_start_silence_time": {"detect_mode": 0},
    "noise_frame_num_used_for_snr": {"snr_thres": 5.0},
}
#: Options that FunASR takes and never reads.
UNREAD: dict[str, list[Any]] = {
    "do_start_point_detection": [False],
    "do_end_point_detection": [False],
    "snr_mode": [1],
    "nn_eval_block_size": [4],
    "dcd_block_size": [2],
    "speech_noise_thresh_low": [0.5],
    "speech_noise_thresh_high": [0.9],
}
CALL: dict[str, list[Any]] = {
    "max_end_silence_time": [150, 400, 1000],
    "speech_noise_thres": [0.0, 0.3, 0.9],
    "dynamic_silence": [True, False],
    "silence_schedule": [
        [(600, 800), (2000, 400), (INFINITY, 150)],
        [[1000, 300]],
        [(0, 2000), (INFINITY, 200)],
    ],
    "is_streaming_input": [True, False],
    "is_final": [True, False],
}
STREAM_CHUNKS = [60, 100, 200, 400]
WHOLE_CHUNKS = [60000, 15001, 15000, 14999, 1000, 250]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vad_dir(tmp_path_factory.mktemp("vad"), SHAPES[0], 0)


@pytest.fixture
def load() -> Iterator[Callable[..., AutoModel]]:
    with ExitStack() as closing:
        yield lambda directory, **options: closing.enter_context(
            AutoModel(model=str(directory), disable_pbar=True, num_workers=1, **options)
        )


def whole(model: AutoModel, wave: Samples, rate: int, **call: Any) -> Any:
    return model.generate(wave, fs=rate, key="clip", **call)[0]["value"]


def streamed(model: AutoModel, pieces: list[Samples], **options: Any) -> list[Any]:
    stream = model.stream(fs=model._recognizer.sample_rate, **options)
    return [stream.feed(piece, i == len(pieces) - 1)["value"] for i, piece in enumerate(pieces)]


def compare(
    path: Path,
    load: Callable[..., AutoModel],
    wave: Samples,
    rate: int,
    constructor: dict[str, Any],
    call: dict[str, Any],
    *,
    chunk: int,
    stream: bool,
    seed: int | None = None,
) -> Any:
    """One comparison; returns the answer. seed: of the sizes of a stream's pieces."""
    oracle, model = VadOracle(path, rate, **constructor), load(path, **constructor)
    options = {**call, "chunk_size": chunk}
    if not stream:
        expected: Any = oracle.offline(wave, **options)
        got: Any = whole(model, wave, rate, **options)
    else:
        options.pop("is_final", None)
        size = chunk * rate // 1000 if seed is None else None
        pieces = cut(wave, size, seed=seed or 0)
        expected = oracle.stream(pieces, **options)
        got = streamed(model, pieces, **{**constructor, **options})
    assert got == expected, (constructor, options, stream)
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("place", ["constructor", "model_conf"])
@pytest.mark.parametrize("name", MODEL)
def test_each_option_of_the_model(
    tmp_path: Path, directory: Path, load: Callable[..., AutoModel], name: str, place: str
) -> None:
    """With every value, whole and as a stream; it must make a difference somewhere."""
    wave = conversation(12, seed=3)
    call: dict[str, Any] = {"dynamic_silence": False}
    others = COMPANY.get(name, {})
    usual = VadOracle(directory, **others).offline(wave, **call)
    answers = []
    for number, value in enumerate(MODEL[name]):
        path, constructor = directory, {**others, name: value}
        if place == "model_conf":
            shape = replace(SHAPES[0], conf={**SHAPES[0].conf, **constructor})
            path, constructor = write_vad_dir(tmp_path / str(number), shape, 0), {}
        got = compare(path, load, wave, 16000, constructor, call, chunk=60000, stream=False)
        answers.append(got)
        chunk = STREAM_CHUNKS[number % 4]
        compare(path, load, wave, 16000, constructor, call, chunk=chunk, stream=True)
    assert any(answer != usual for answer in answers), "this option was not put to the test"


@pytest.mark.parametrize("name", UNREAD)
def test_options_that_nothing_reads(
    tmp_path: Path, directory: Path, load: Callable[..., AutoModel], name: str
) -> None:
    wave = conversation(6, seed=4)
    usual = VadOracle(directory).offline(wave)
    shape = replace(SHAPES[0], conf={**SHAPES[0].conf, name: UNREAD[name][0]})
    path = write_vad_dir(tmp_path / "vad", shape, 0)
    assert compare(path, load, wave, 16000, {}, {}, chunk=60000, stream=False) == usual


@pytest.mark.parametrize("chunk", STREAM_CHUNKS)
@pytest.mark.parametrize("name", CALL)
@pytest.mark.slow
def test_each_option_of_the_call(
    directory: Path, load: Callable[..., AutoModel], name: str, chunk: int
) -> None:
    wave = conversation(8, seed=5)
    for value in CALL[name]:
        for stream in (True, False):
            compare(directory, load, wave, 16000, {}, {name: value}, chunk=chunk, stream=stream)


def _some(random: random.Random, options: dict[str, list[Any]], share: float) -> dict[str, Any]:
    return {k: random.choice(v) for k, v in options.items() if random.random() < share}


@pytest.mark.slow
def test_options_in_company(tmp_path: Path, load: Callable[..., AutoModel]) -> None:
    """Random options from all three places at once, for all shapes of models."""
    draw = random.Random(0)
    answers = []
    for number in range(40):
        kind = draw.randrange(len(SHAPES))
        shape = SHAPES[kind]
        rate = int(shape.frontend.get("fs", 16000))
        conf = {**shape.conf, **_some(draw, {**MODEL, **UNREAD}, 0.15)}
        constructor, call = _some(draw, MODEL, 0.15), _some(draw, CALL, 0.3)
        path = write_vad_dir(tmp_path / str(number), replace(shape, conf=conf), kind)
        wave = conversation(draw.choice([3, 8, 12]), seed=draw.randrange(1 << 30), rate=rate)
        stream = draw.random() < 0.6
        chunk = draw.choice(STREAM_CHUNKS if stream else WHOLE_CHUNKS)
        pieces = draw.choice([None, number])
        answers.append(
            compare(
                path, load, wave, rate, constructor, call, chunk=chunk, stream=stream, seed=pieces
            )
        )
    assert sum(any(answer) for answer in answers) > 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_size": "long"}, r"chunk_size must be a number of ms above 0, got 'long'"),
        ({"chunk_size": -5}, r"chunk_size must be a number of ms above 0, got -5"),
        ({"chunk_size": 0.01}, r"chunk_size: expected at least one sample, got 0\.01"),
        (
            {"speech_noise_thres": "0.6"},
            r"thres must be a number, got '0\.6' \(an option of generate\)",
        ),
        ({"speech_noise_thres": float("nan")}, r"speech_noise_thres must be a number, got nan"),
        (
            {"max_end_silence_time": [800]},
            r"silence_time must be a time of 0 ms or more, got \[800\]",
        ),
        ({"silence_schedule": 5}, r"silence_schedule must be pairs .*, got 5"),
        ({"silence_schedule": [(1, 2, 3)]}, r"silence_schedule must be pairs .*, got \[\(1, 2"),
        ({"silence_schedule": [(1, "a")]}, r"silence_schedule must be pairs .*, got \[\(1, 'a"),
    ],
)
def test_wrong_options_of_the_call(
    directory: Path, load: Callable[..., AutoModel], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load(directory).generate(np.zeros(16000, np.float32), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detect_mode": 2}, r"detect_mode must be 0 \(one utterance\) or 1 \(several\), got 2"),
        ({"detect_mode": 0.5}, r"detect_mode must be 0 \(one utterance\) .*, got 0\.5"),
        ({"window_size_ms": 5}, r"window_size_ms: expected from one frame to an hour, got 5"),
        ({"window_size_ms": 1e12}, r"window_size_ms: expected from one frame to an hour, got 1"),
        ({"lookback_time_start_point": -1}, r"lookback_time_start_point must be a time"),
        (
            {"noise_frame_num_used_for_snr": 0},
            r"for_snr must be a whole number of at least 1, got 0",
        ),
        (
            {"do_extend": "yes"},
            r"do_extend must be true or false, got 'yes' \(an option of Auto",
        ),
        ({"sil_pdf_ids": 0}, r"sil_pdf_ids must be a list of at least one whole number, got 0"),
        ({"sil_pdf_ids": []}, r"sil_pdf_ids must be a list of at least one"),
    ],
)
def test_wrong_options_of_the_constructor(
    directory: Path, load: Callable[..., AutoModel], options: dict[str, Any], message: str
) -> None:
    """Where the model is made, not where it is first called."""
    with pytest.raises(ValueError, match=message):
        load(directory, **options)
