"""FSMN-VAD on recordings: FunASR's segments, whatever the options, the company and the thread."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AudioError, AutoModel
from support.audio import Samples, speech
from support.vad import (
    INFINITY,
    SHAPES,
    Segments,
    VadOracle,
    conversation,
    real_recordings,
    shared_data,
    write_vad_dir,
)

pytest.importorskip("funasr", reason="funasr is the reference")

#: Options of the constructor and of the call.
OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({}, {"max_end_silence_time": 200}),
    ({}, {"max_end_silence_time": 700, "speech_noise_thres": 0.8}),
    ({}, {"dynamic_silence": False}),
    ({}, {"dynamic_silence": True, "max_end_silence_time": 200, "speech_noise_thres": 0.1}),
    ({}, {"silence_schedule": [(1000, 900), (3000, 400), (INFINITY, 160)], "chunk_size": 500,
          "is_streaming_input": False}),
    ({}, {"silence_schedule": [[2000, 300]], "chunk_size": 20000}),
    ({}, {"chunk_size": 250}),  # an array: taken for the beginning of a stream
    ({}, {"chunk_size": 250, "is_final": True}),
    ({}, {"is_streaming_input": True, "is_final": True}),
    ({}, {"chunk_size": 300, "is_streaming_input": False, "is_final": False}),
    ({"max_single_segment_time": 1500}, {"dynamic_silence": False}),
    ({"max_single_segment_time": 3000}, {"chunk_size": 100, "is_final": True}),
    ({"max_end_silence_time": 400}, {}),
    ({"max_end_silence_time": 400}, {"max_end_silence_time": 250}),
    ({"detect_mode": 0}, {}),
    ({"detect_mode": 0, "max_start_silence_time": 100}, {"dynamic_silence": False}),
    ({"do_extend": 0}, {"max_end_silence_time": 400}),
    ({"lookback_time_start_point": 30, "lookahead_time_end_point": 400}, {}),
    ({"window_size_ms": 400, "sil_to_speech_time_thres": 250, "speech_to_sil_time_thres": 80}, {}),
    ({"decibel_thres": -10.0}, {}),
    ({"snr_thres": 5.0, "noise_frame_num_used_for_snr": 10}, {}),
    ({"fe_prior_thres": 1.0}, {}),
    ({"speech_2_noise_ratio": 0.5, "speech_noise_thres": 0.2}, {"dynamic_silence": False}),
]  # fmt: skip


@dataclass
class Case:
    """A model, its rate, and recordings."""

    directory: Path
    rate: int
    clips: list[Samples]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    made = {}
    for seed, shape in enumerate(SHAPES):
        rate = int(shape.frontend.get("fs", 16000))
        directory = write_vad_dir(tmp_path_factory.mktemp("vad"), shape, seed)
        clips = [conversation(s, seed=10 * seed + i, rate=rate) for i, s in enumerate((25, 8, 2.5))]
        clips += [speech(0.3, seed=seed, rate=rate), np.zeros(2 * rate, np.float32) + 1e-4]
        made[shape.name] = Case(directory, rate, clips)
    return made


@pytest.fixture(scope="module")
def real() -> Case:
    root = shared_data()
    if root is None:
        pytest.skip("no real weights: set SAFEASR_TEST_DATA")
    clips = [samples for _, samples in real_recordings()]
    clips.append(np.concatenate(clips)[:320000])
    return Case(root / "models" / "fsmn-vad", 16000, clips)


@pytest.fixture
def load() -> Iterator[Callable[..., AutoModel]]:
    with ExitStack() as closing:
        yield lambda directory, **options: closing.enter_context(
            AutoModel(model=str(directory), disable_pbar=True, num_workers=2, **options)
        )


def segments(model: AutoModel, clip: Samples, rate: int, **options: Any) -> Segments:
    result = model.generate(clip, fs=rate, key="clip", **options)
    assert [list(r) for r in result] == [["key", "value"]]
    assert result[0]["key"] == "clip"
    value: Segments = result[0]["value"]
    return value


def check(case: Case, load: Callable[..., AutoModel], jobs: Any) -> list[Segments]:
    """Compare with FunASR for every clip; returns all answers."""
    answers = []
    for constructor, call in jobs:
        oracle = VadOracle(case.directory, case.rate, **constructor)
        model = load(case.directory, **constructor)
        for clip in case.clips:
            expected = oracle.offline(clip, **call)
            assert segments(model, clip, case.rate, **call) == expected, (constructor, call)
            answers.append(expected)
    return answers


@pytest.mark.parametrize("name", [shape.name for shape in SHAPES])
@pytest.mark.slow
def test_random_weights(cases: dict[str, Case], load: Callable[..., AutoModel], name: str) -> None:
    jobs = OPTIONS if name == "usual" else OPTIONS[:13]
    answers = check(cases[name], load, jobs)
    # The comparison is worth something only if the decisions vary.
    assert sum(map(len, answers)) > 3 * len(jobs)
    assert len({str(a) for a in answers}) > len(jobs)


@pytest.mark.slow
def test_real_weights(real: Case, load: Callable[..., AutoModel]) -> None:
    answers = check(real, load, OPTIONS)
    assert max(map(len, answers)) > 10
    assert len({str(a) for a in answers}) > len(OPTIONS)


def test_files_are_whole(
    cases: dict[str, Case], load: Callable[..., AutoModel], tmp_path: Path
) -> None:
    """Of a file FunASR knows that nothing follows, so short chunks make it no stream."""
    case = cases["usual"]
    soundfile.write(tmp_path / "clip.wav", case.clips[0], case.rate, subtype="FLOAT")
    path = str(tmp_path / "clip.wav")
    oracle, model = VadOracle(case.directory), load(case.directory)
    for options in ({}, {"chunk_size": 250}, {"chunk_size": 250, "is_final": False}):
        expected = oracle.offline(path, **options)
        assert model.generate(path, **options) == [{"key": "clip", "value": expected}]
        assert all(start >= 0 and end >= 0 for start, end in expected)


@pytest.mark.slow
def test_long_recordings_go_in_several_rounds(
    cases: dict[str, Case], load: Callable[..., AutoModel]
) -> None:
    case = cases["usual"]
    oracle, model = VadOracle(case.directory), load(case.directory)
    jobs: list[dict[str, Any]] = [{}, {"chunk_size": 15000}, {"max_end_silence_time": 300}]
    clear = 0
    for seed in (5, 6, 7):
        clip = conversation(150, seed=seed)
        for options in jobs:
            expected = oracle.offline(clip, **options)
            # Random weights are sure of little, and of 15000 frames some lie on the threshold:
            # FunASR itself then answers otherwise a hair louder or softer. Where it does, any of
            # its answers is right; where it does not, only the one.
            near = [(clip * np.float32(1 + k)).astype(np.float32) for k in (1e-5, -1e-5)]
            right = [expected, *(oracle.offline(one, **options) for one in near)]
            clear += all(one == expected for one in right)
            assert segments(model, clip, 16000, **options) in right, (seed, options)
    assert clear >= 5


def test_12_threads_with_different_options(
    cases: dict[str, Case], load: Callable[..., AutoModel]
) -> None:
    """Nobody gets the options of another, though they share batches."""
    case = cases["usual"]
    calls = [call for constructor, call in OPTIONS if not constructor]
    oracle = VadOracle(case.directory)
    jobs = [(c, i) for c in range(len(calls)) for i in range(len(case.clips))]
    expected = {(c, i): oracle.offline(case.clips[i], **calls[c]) for c, i in jobs}
    model = load(case.directory, max_batch_size=8, max_batch_frames=4000, max_wait_ms=2)
    work = jobs * 3
    random.Random(0).shuffle(work)

    def run(part: list[tuple[int, int]]) -> list[Any]:
        return [
            (job, segments(model, case.clips[job[1]], case.rate, **calls[job[0]])) for job in part
        ]

    with ThreadPoolExecutor(12) as pool:
        for part in pool.map(run, [work[n::12] for n in range(12)]):
            for job, answer in part:
                assert answer == expected[job], calls[job[0]]
    assert model.stats()["mean_batch_size"] > 1.1, "nobody had company: nothing was shown"


def test_options_of_the_constructor_stay_there(
    cases: dict[str, Case], load: Callable[..., AutoModel]
) -> None:
    """FunASR ignores them in a call without a word; here they are named."""
    case = cases["usual"]
    model = load(case.directory)
    with pytest.warns(UserWarning, match="'max_single_segment_time' belongs to AutoModel"):
        answer = segments(model, case.clips[0], case.rate, max_single_segment_time=500)
    assert answer == VadOracle(case.directory).offline(case.clips[0])


def test_options_do_not_stay(cases: dict[str, Case], load: Callable[..., AutoModel]) -> None:
    case = cases["usual"]
    model = load(case.directory)
    before = segments(model, case.clips[0], case.rate, dynamic_silence=False)
    other = segments(model, case.clips[0], case.rate, max_end_silence_time=100)
    assert other != before
    assert segments(model, case.clips[0], case.rate, dynamic_silence=False) == before


def test_without_warnings(cases: dict[str, Case], load: Callable[..., AutoModel]) -> None:
    case = cases["usual"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = load(case.directory, max_single_segment_time=30000)
        segments(model, case.clips[2], case.rate, chunk_size=60000, is_final=True, cache={})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_size": 0}, "chunk_size"),
        ({"chunk_size": float("nan")}, "chunk_size"),
        ({"max_end_silence_time": -1}, "max_end_silence_time"),
        ({"max_end_silence_time": "long"}, "max_end_silence_time"),
        ({"silence_schedule": [(1000, float("nan"))]}, "silence_schedule"),
    ],
)
def test_senseless_options_are_named(
    cases: dict[str, Case],
    load: Callable[..., AutoModel],
    options: dict[str, Any],
    message: str,
) -> None:
    case = cases["usual"]
    with pytest.raises(ValueError, match=message):
        load(case.directory).generate(case.clips[2], **options)


def test_what_cannot_be_done_is_refused(
    cases: dict[str, Case], load: Callable[..., AutoModel]
) -> None:
    case = cases["usual"]
    model = load(case.directory)
    with pytest.raises(ValueError, match="filled by something else"):
        model.generate(case.clips[2], cache={"frontend": {}}, chunk_size=200)
    with pytest.raises(AudioError, match="expected samples"):
        model.generate(np.zeros((10, 400), np.float32), data_type="fbank")


def test_too_short_for_a_frame(cases: dict[str, Case], load: Callable[..., AutoModel]) -> None:
    """FunASR divides by the number of frames."""
    assert segments(load(cases["usual"].directory), np.ones(399, np.float32), 16000) == []


def test_certainty_is_no_error(tmp_path: Path, load: Callable[..., AutoModel]) -> None:
    """FunASR raises "math domain error" for a frame that is silence with probability 1 or 0."""
    import torch

    directory = write_vad_dir(tmp_path / "certain", SHAPES[0])
    weights = torch.load(directory / "model.pt")
    weights["encoder.out_linear2.linear.weight"] *= 1000
    weights["encoder.out_linear2.linear.bias"] *= 1000
    torch.save(weights, directory / "model.pt")
    clip = conversation(20, seed=3)
    with pytest.raises(ValueError, match=r"math domain error|positive input"):
        VadOracle(directory).offline(clip)
    answer = segments(load(directory), clip, 16000)
    assert answer
    assert all(0 <= start < end <= 20000 for start, end in answer)
