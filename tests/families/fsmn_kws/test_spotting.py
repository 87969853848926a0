"""Keywords in recordings, by every network: FunASR's answers, alone and in any company."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel
from support.audio import Samples, speech
from support.keyword_oracle import KeywordOracle, same, spoken
from support.keywords import (
    CALLS,
    SANM,
    SHAPES,
    TWO_HEADS,
    KeywordShape,
    write_keyword_dir,
)
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

ALL = {f"{shape.model_class}, {shape.name}": shape for shape in (*SHAPES, TWO_HEADS, *SANM)}
#: In seconds, from a frame on.
LENGTHS = [0.05, 0.07, 0.3, 0.6, 1.1, 1.7, 2.2, 3.3, 4.7, 9.1]
#: Lists that differ from each other in words, order, form and signs.
LISTS: list[Any] = [
    *(call["keywords"] for call in CALLS),
    "小云, 你好 ,关机,开灯",
    ["打", "小,云", " 好 开 "],
    "小!云?,GOODBYE,b'c,(noise)",
]


@dataclass(frozen=True)
class Job:
    """A request and FunASR's answer."""

    clip: Samples
    keywords: Any
    answer: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A model and requests whose answers no rounding decides."""

    directory: Path
    rate: int
    jobs: list[Job]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Makes each shape's model and asks FunASR once."""
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            shape = ALL[name]
            directory = write_keyword_dir(tmp_path_factory.mktemp("keywords"), shape)
            rate = int(shape.frontend.get("fs", 16000))
            made[name] = Case(directory, rate, asked(directory, rate, shape))
        return made[name]

    return get


def asked(directory: Path, rate: int, shape: KeywordShape) -> list[Job]:
    """FunASR's answers to all lists."""
    oracle = KeywordOracle(directory, rate)
    jobs = []
    for index, seconds in enumerate(LENGTHS):
        clip = speech(seconds, seed=index, rate=rate)
        for keywords in LISTS:
            one = keywords if isinstance(keywords, str) else ",".join(keywords)
            try:
                answer = oracle(clip, keywords=one)
            except TypeError:  # FunASR needs a lexicon for some words: see docs/differences.md
                assert not shape.lexicon
                continue
            if answer is not None:
                jobs.append(Job(clip, keywords, answer))
    assert len(jobs) > 0.6 * len(LENGTHS) * len(LISTS)
    return jobs


@pytest.fixture(params=usual_first(ALL))
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


def wrong(model: AutoModel, case: Case, jobs: list[Job]) -> list[str]:
    """What differs from FunASR, in words."""
    found = []
    for job in jobs:
        result = model.generate(job.clip, fs=case.rate, key="k", keywords=job.keywords)[0]
        if not same(result, {"key": "k", **job.answer}):
            found.append(f"{job.keywords}: expected {job.answer}, got {result}")
    return found


def test_alone(case: Case, make_model: Callable[..., AutoModel]) -> None:
    assert not wrong(make_model(case.directory), case, case.jobs)


def test_the_requests_tell_models_apart(cases: Callable[[str], Case]) -> None:
    """Something is found, and something is not, in recordings and for lists of all kinds."""
    for name in ALL:
        jobs = cases(name).jobs
        words = [spoken(job.answer["text"])[0] for job in jobs]
        assert len(set(words)) > 8
        assert words.count("") > 5
        assert len(words) - words.count("") > 15
    second = [spoken(job.answer["text2"])[0] for job in cases("FsmnKWSMT, two heads").jobs]
    assert "小云" in second or "goodbye" in second


@pytest.mark.parametrize(
    "name", usual_first(["FsmnKWS, usual", "FsmnKWSMT, two heads", "SanmKWS, usual"])
)
def test_any_company_from_16_threads(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel], name: str
) -> None:
    """Calls with other keywords share batches; each has FunASR's answer, and its own bits."""
    case = cases(name)
    model = make_model(case.directory, num_workers=2, max_batch_size=8, max_wait_ms=5)
    alone = {id(job): answer_of(make_model(case.directory), case, job) for job in case.jobs}
    jobs = case.jobs * 3
    random.Random(name).shuffle(jobs)

    def run(thread: int) -> list[str]:
        mine = jobs[thread::16]
        return [
            *wrong(model, case, mine),
            *(f"{job}" for job in mine if answer_of(model, case, job) != alone[id(job)]),
        ]

    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(run, range(16)) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def answer_of(model: AutoModel, case: Case, job: Job) -> dict[str, Any]:
    """The whole result, with every digit of its score."""
    return model.generate(job.clip, fs=case.rate, key="k", keywords=job.keywords)[0]


def test_features(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """``data_type="fbank"``: FunASR's own features, as a tensor."""
    directory = write_keyword_dir(tmp_path)
    oracle, model = KeywordOracle(directory), make_model(directory)
    wave = torch.from_numpy(speech(1.4, seed=5))
    features, frames = oracle.model.kwargs["frontend"](wave[None], torch.tensor([len(wave)]))
    call = {"data_type": "fbank", **CALLS[0]}
    # FunASR wants a tensor, and keeps the type for later calls.
    expected = oracle.model.model.inference(
        features.clone(), frames[:, None].clone(), key=["k"], device="cpu",
        tokenizer=oracle.model.kwargs["tokenizer"], **call,
    )[0]  # fmt: skip
    assert same(model.generate(features, key="k", **call)[0], expected[0])
    assert (
        model.generate(np.array(features[0]), key="k", **call)[0]
        == (model.generate(features, key="k", **call)[0])
    )
