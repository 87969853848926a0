"""The answers are FunASR's: alone, in any company, from any thread, in any order."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from safeasr import AutoModel
from safeasr.loading.export import open_bundle
from support.audio import Samples, recordings, speech
from support.encoding import encode
from support.models import SHAPES, USUAL, config_of, write_model_dir
from support.oracle import Answer, Oracle, answer_of
from support.programs import reseal
from support.shapes import usual_first

#: In seconds. 0.05 s is a single frame of the network.
LENGTHS = [0.05, 0.06, 0.09, 0.11, 0.2, 0.3, 0.5, 0.7, 1.1, 1.7, 2.2, 2.9, 3.3, 4.7, 6.1, 8.3,
           11.0, 15.2, 23.0, 60.0]  # fmt: skip
BY_NAME = {shape.name: shape for shape in SHAPES}


@dataclass
class Case:
    """A model and clips on whose answers FunASR leaves no doubt."""

    directory: Path
    rate: int
    clips: list[tuple[Samples, Answer]]
    oracle: Oracle


def choose_clips(oracle: Oracle, lengths: list[float], rate: int) -> list[tuple[Samples, Answer]]:
    """A clip of each length; one of whose text FunASR is not sure gives way to another."""
    clips, doubtful = [], 0
    for index, seconds in enumerate(lengths):
        for attempt in range(6):
            clip = speech(seconds, seed=1000 * attempt + index, rate=rate)
            answer = oracle(clip)
            if answer.clear:
                clips.append((clip, answer))
                break
            doubtful += 1
    assert len(clips) == len(lengths), "FunASR is sure of no clip of some length"
    assert doubtful <= max(1, 0.1 * (len(clips) + doubtful)), f"{doubtful} clips without answer"
    return clips


def mismatches(model: AutoModel, case: Case, results: list[tuple[int, bool, Any]]) -> list[str]:
    """What differs from FunASR, in words. Results are (index of the clip, timed, result)."""
    found = []
    for index, timed, result in results:
        clip, answer = case.clips[index]
        got = answer_of(result)
        if not timed:
            wanted: Any = (answer.text, [])
        elif answer.timed is None:
            continue  # FunASR raises IndexError on it
        elif not answer.clear_times:
            wanted, got = answer.timed[0], got[0]
        else:
            wanted = answer.timed
        if got != wanted:
            found.append(f"{len(clip) / case.rate:.2f} s: expected {wanted}, got {got}")
    return found


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Makes each shape's model and asks FunASR once."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            shape = BY_NAME[name]
            directory = write_model_dir(tmp_path_factory.mktemp("shape"), shape, len(made))
            rate = config_of(shape)["frontend_conf"]["fs"]
            oracle = Oracle(directory, rate)
            made[name] = Case(directory, rate, choose_clips(oracle, LENGTHS, rate), oracle)
        return made[name]

    return get


@pytest.fixture(params=usual_first(BY_NAME))
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


@pytest.fixture
def usual(cases: Callable[[str], Case]) -> Case:
    return cases(USUAL.name)


def run_all(model: AutoModel, case: Case, jobs: list[tuple[int, bool]]) -> list[Any]:
    return [
        (i, timed, model.generate(case.clips[i][0], fs=case.rate, pred_timestamp=timed)[0])
        for i, timed in jobs
    ]


def test_alone(case: Case, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(case.directory)
    jobs = [(i, timed) for i in range(len(case.clips)) for timed in (False, True)]
    assert not mismatches(model, case, run_all(model, case, jobs))
    # The clips must be able to tell models apart: long and different texts, and timestamps.
    texts = {answer.text for _, answer in case.clips}
    assert len(texts) > len(case.clips) / 3
    assert max(map(len, texts)) > 30
    assert sum(a.timed is not None and a.clear_times for _, a in case.clips) > len(case.clips) / 2


COMPANY = [
    pytest.param(name, size, wait, marks=[pytest.mark.slow] * (name != USUAL.name))
    for name in BY_NAME
    for size in (1, 4, 32)
    for wait in (0, 20)
    if name == USUAL.name or (size, wait) in [(4, 0), (32, 20)]
]


@pytest.mark.parametrize(("name", "size", "wait"), COMPANY)
def test_any_company_from_16_threads(
    cases: Callable[[str], Case],
    make_model: Callable[..., AutoModel],
    name: str,
    size: int,
    wait: int,
) -> None:
    case = cases(name)
    model = make_model(
        case.directory, num_workers=2, max_batch_size=size, max_wait_ms=wait, max_batch_frames=4000
    )
    jobs = [(i, timed) for i in range(len(case.clips)) for timed in (False, True)] * 2
    random.Random(f"{name} {size} {wait}").shuffle(jobs)
    with ThreadPoolExecutor(16) as pool:
        parts = pool.map(lambda n: run_all(model, case, jobs[n::16]), range(16))
        results = [result for part in parts for result in part]
    assert len(results) == len(jobs)
    assert not mismatches(model, case, results)
    stats = model.stats()
    assert stats["completed"] == len(jobs)
    if size == 1:
        assert stats["mean_batch_size"] == 1
    elif wait:
        assert stats["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_a_list_keeps_its_order(usual: Case, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(usual.directory, num_workers=2, max_wait_ms=5)
    order = list(range(len(usual.clips))) * 2
    random.Random(0).shuffle(order)
    results = model.generate([usual.clips[i][0] for i in order], pred_timestamp=True)
    assert not mismatches(model, usual, [(i, True, r) for i, r in zip(order, results, strict=True)])


def test_the_comparison_can_fail(
    usual: Case, make_model: Callable[..., AutoModel], tmp_path: Path
) -> None:
    """One wrong token, or one wrong millisecond, is found."""
    bundle = open_bundle(usual.directory)
    wrong = tmp_path / "wrong"
    shutil.copytree(bundle.path, wrong)
    facts = json.loads((wrong / "bundle.json").read_text(encoding="utf-8"))
    index = next(i for i, (_, a) in enumerate(usual.clips) if 3 < len(a.text) < 30)
    text = usual.clips[index][1].text
    token = next(i for i, t in enumerate(facts["tokens"]) if i > 2 and t in text)
    facts["tokens"][token] = "錯"
    (wrong / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    reseal(wrong)
    model = make_model(wrong)
    assert len(mismatches(model, usual, run_all(model, usual, [(index, False)]))) == 1

    index = next(
        i for i, (_, a) in enumerate(usual.clips) if a.clear_times and a.timed and a.timed[1]
    )
    timed_text, times = usual.clips[index][1].timed or ("", [])
    good = {"text": timed_text, "timestamp": [list(pair) for pair in times]}
    assert not mismatches(model, usual, [(index, True, good)])
    late = {**good, "timestamp": [[a, b + 1] for a, b in times]}
    assert len(mismatches(model, usual, [(index, True, late)])) == 1


def test_an_oracle_in_doubt_says_so(usual: Case) -> None:
    """A network whose best two tokens are alike everywhere has no clear answer."""
    assert usual.oracle(usual.clips[12][0]).clear
    layer = usual.oracle.network.decoder.output_layer
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    try:
        with torch.no_grad():
            half = len(bias) // 2
            layer.weight[half : 2 * half] = weight[:half] * (1 + 1e-6)
            layer.bias[half : 2 * half] = bias[:half]
        assert not usual.oracle(usual.clips[12][0]).clear
    finally:
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)


def test_real_recordings(usual: Case, make_model: Callable[..., AutoModel]) -> None:
    paths = recordings()
    if not paths:
        pytest.skip("no recordings: set SAFEASR_TEST_DATA to a folder with audio/*.wav")
    model = make_model(usual.directory)
    sure = 0
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32")
        assert rate == 16000
        for start in range(0, min(len(samples), 20 * rate), 5 * rate):
            clip = samples[start : start + 5 * rate]
            answer = usual.oracle(clip)
            if answer.clear:
                sure += 1
                assert model.generate(clip)[0]["text"] == answer.text
    assert sure


def test_numbers_of_the_encoder(case: Case) -> None:
    """Within 1e-4 of FunASR's modules; in a batch within 1e-5 (relative) of those alone."""
    bundle = open_bundle(case.directory)
    network = case.oracle.network
    width = network.encoder.encoders0[0].in_size
    rng = np.random.default_rng(3)
    arrays = [
        rng.standard_normal((frames, width)).astype(np.float32) for frames in (1, 2, 7, 40, 41, 130)
    ]
    alone = [encode(bundle, [array])[0] for array in arrays]
    together = encode(bundle, arrays)
    for array, (hidden, alphas), (hidden_b, alphas_b) in zip(arrays, alone, together, strict=True):
        with torch.no_grad():
            frames = torch.tensor([len(array)])
            theirs = network.encode(torch.from_numpy(array)[None], frames)[0]
            weights = network.calc_predictor(theirs, frames)[2][0, : len(array)].numpy().copy()
            if network.predictor.tail_threshold > 0 and not network.predictor.tail_mask:
                weights = weights[: len(array)]
        assert np.abs(hidden - theirs[0].numpy()).max() < 1e-4
        assert np.abs(alphas - weights).max() < 1e-4
        scale = np.abs(hidden).max()
        assert np.abs(hidden - hidden_b).max() < 1e-5 * scale
        assert np.abs(alphas - alphas_b).max() < 1e-5


def test_the_demo_model() -> None:
    """The model that comes with the package, on the recordings that come with it."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    demo = Path(str(resources.files("safeasr") / "models" / "demo"))
    assert (demo / "model.pt").is_file(), "the package ships without its demo model"
    expected = json.loads((demo / "audio" / "expected.json").read_text(encoding="utf-8"))
    assert expected
    oracle = Oracle(demo)
    compared = 0
    with AutoModel(model="demo", disable_pbar=True) as model:
        for path in sorted((demo / "audio").glob("*.flac")):
            samples, rate = soundfile.read(path, dtype="float32")
            assert rate == 16000
            answer = oracle(samples)
            text = model.generate(str(path))[0]["text"]
            timed = model.generate(str(path), pred_timestamp=True)[0]
            if answer.clear:
                assert text == answer.text
                compared += 1
            if answer.clear and answer.clear_times and answer.timed is not None:
                assert answer_of(timed) == answer.timed
    assert compared > 0.9 * len(expected)
