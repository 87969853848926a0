"""SenseVoiceSmall's answers are FunASR's: alone, in any company, with any options."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from safeasr import AutoModel, rich_transcription_postprocess
from safeasr.bundles.model_dir import read_weights
from safeasr.families.sense_voice.export import build_network
from support.audio import Samples, speech
from support.sense_voice import (
    SHAPES,
    TAGS,
    UNKNOWN_EMOTION,
    USUAL,
    SenseAnswer,
    SenseOracle,
    config_of,
    one_token_each,
    write_model_dir,
)
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

#: In seconds. 0.05 s is a single frame of the network.
LENGTHS = [0.05, 0.07, 0.2, 0.4, 0.9, 1.4, 2.2, 3.3, 4.7, 6.1, 8.3, 16.0]
LANGUAGES = ["auto", "zh", "en", "yue", "ja", "ko", "nospeech"]
ITN: list[dict[str, Any]] = [{}, {"use_itn": True}, {"text_norm": "woitn", "use_itn": True}]
BY_NAME = {shape.name: shape for shape in SHAPES}


@dataclass(frozen=True)
class Job:
    """A request and FunASR's answer."""

    clip: Samples
    options: dict[str, Any]
    answer: SenseAnswer


@dataclass(frozen=True)
class Case:
    """A model and requests on whose text FunASR leaves no doubt."""

    directory: Path
    rate: int
    oracle: SenseOracle
    jobs: list[Job]


def options_of(index: int, banned: bool) -> Iterator[dict[str, Any]]:
    """Every language, each with a text form that differs from clip to clip; then the others."""
    for place, language in enumerate(LANGUAGES):
        yield {"language": language, **ITN[(place + index) % len(ITN)]}
    yield {}
    yield {"output_timestamp": True}
    yield {"output_timestamp": True, "language": LANGUAGES[index % 7], "use_itn": index % 2 == 0}
    if banned:
        yield {"ban_emo_unk": True}
        yield {"ban_emo_unk": True, "language": "ko", "output_timestamp": True}


def ask(directory: Path, oracle: SenseOracle, banned: bool) -> list[Job]:
    """FunASR's answers; a request on which it is in doubt gives way to another clip."""
    jobs, doubtful = [], 0
    for index, seconds in enumerate(LENGTHS):
        for options in options_of(index, banned):
            for attempt in range(8):
                clip = speech(seconds, seed=1000 * attempt + index, rate=oracle.rate)
                answer = oracle(clip, **{**options, "output_timestamp": False})
                timed = options.get("output_timestamp", False)
                if answer.clear and timed and not one_token_each(directory, answer.result["text"]):
                    continue  # FunASR has no answer (docs/differences.md)
                if answer.clear and timed:
                    answer = oracle(clip, **options)
                if answer.clear and answer.clear_times:
                    jobs.append(Job(clip, options, answer))
                    break
                doubtful += 1
    assert doubtful < 0.25 * len(jobs), f"FunASR is in doubt about {doubtful} clips"
    return jobs


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Makes each shape's model and asks FunASR once."""
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            shape = BY_NAME[name]
            directory = write_model_dir(tmp_path_factory.mktemp("sense"), shape, seed=1)
            rate = config_of(shape)["frontend_conf"]["fs"]
            oracle = SenseOracle(directory, rate)
            jobs = ask(directory, oracle, banned=shape.size > UNKNOWN_EMOTION)
            made[name] = Case(directory, rate, oracle, jobs)
        return made[name]

    return get


@pytest.fixture(params=usual_first(BY_NAME))
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    return cases(request.param)


@pytest.fixture
def usual(cases: Callable[[str], Case]) -> Case:
    return cases(USUAL.name)


def wrong(model: AutoModel, case: Case, jobs: list[Job]) -> list[str]:
    """What differs from FunASR, in words."""
    found = []
    for job in jobs:
        result = model.generate(job.clip, fs=case.rate, key="k", **job.options)[0]
        if result != {"key": "k", **job.answer.result}:
            found.append(f"{job.options}: expected {job.answer.result}, got {result}")
    return found


def test_alone(case: Case, make_model: Callable[..., AutoModel]) -> None:
    assert not wrong(make_model(case.directory), case, case.jobs)


def test_the_requests_tell_models_apart(case: Case) -> None:
    """Random networks easily say the same to everything, and then nothing would be shown."""
    texts = [job.answer.result["text"] for job in case.jobs]
    assert len(set(texts)) > 0.5 * len(texts)  # some ask the same in other words
    assert max(map(len, texts)) > 100
    of_a_clip: dict[bytes, set[str]] = {}
    for job in case.jobs:
        of_a_clip.setdefault(job.clip.tobytes(), set()).add(job.answer.result["text"])
    assert max(map(len, of_a_clip.values())) >= 7, "languages and text forms make no difference"
    words = [job.answer.result["words"] for job in case.jobs if "words" in job.answer.result]
    assert len(words) > len(LENGTHS) / 2
    assert max(map(len, words)) > 20


def test_the_tags(usual: Case) -> None:
    """Tags come out as they are, and those who ban the unknown emotion never see it."""
    texts = dict.fromkeys((False, True), "")
    for job in usual.jobs:
        texts[job.options.get("ban_emo_unk", False)] += job.answer.result["text"]
    assert texts[False].count("<|EMO_UNKNOWN|>") > 50
    assert "<|EMO_UNKNOWN|>" not in texts[True]
    assert sum(f"<|{tag}|>" in texts[False] for tag in TAGS.values()) > 8
    assert "<|" not in rich_transcription_postprocess(texts[False])


COMPANY = [
    (name, size, wait)
    for name in BY_NAME
    for size in (1, 5, 32)
    for wait in (0, 20)
    if (name == USUAL.name and wait == 20) or (size, wait) == (5, 0)
]


@pytest.mark.parametrize(("name", "size", "wait"), COMPANY)
@pytest.mark.slow
def test_any_company_from_16_threads(
    cases: Callable[[str], Case],
    make_model: Callable[..., AutoModel],
    name: str,
    size: int,
    wait: int,
) -> None:
    """Languages, text forms, bans and timestamps share batches."""
    case = cases(name)
    model = make_model(
        case.directory, num_workers=2, max_batch_size=size, max_wait_ms=wait, max_batch_frames=4000
    )
    jobs = case.jobs * 2
    random.Random(f"{name} {size} {wait}").shuffle(jobs)
    with ThreadPoolExecutor(16) as pool:
        parts = list(pool.map(lambda n: wrong(model, case, jobs[n::16]), range(16)))
    assert not [one for part in parts for one in part]
    stats = model.stats()
    assert stats["completed"] == len(jobs)
    if size > 1 and wait:
        assert stats["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_a_list_keeps_its_order(usual: Case, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(usual.directory, num_workers=2, max_wait_ms=5)
    jobs = [job for job in usual.jobs if not job.options] * 2
    random.Random(0).shuffle(jobs)
    results = model.generate([job.clip for job in jobs], key=[f"k{i}" for i in range(len(jobs))])
    expected = [{"key": f"k{i}", **job.answer.result} for i, job in enumerate(jobs)]
    assert results == expected


def test_features(usual: Case, make_model: Callable[..., AutoModel]) -> None:
    """``data_type="fbank"``: FunASR's own features, as a tensor."""
    model = make_model(usual.directory)
    frontend = usual.oracle.model.kwargs["frontend"]
    wave = torch.from_numpy(speech(2.0, seed=5))
    features, frames = frontend(wave[None], torch.tensor([len(wave)]))
    expected = usual.oracle.model.generate(
        features.clone(), input_len=frames.clone(), data_type="fbank", language="en"
    )
    usual.oracle.model.kwargs.pop("data_type", None)
    got = model.generate(features, input_len=frames, data_type="fbank", language="en")
    assert got[0]["text"] == expected[0]["text"]
    assert got[0]["text"] != model.generate(features, data_type="fbank")[0]["text"]


def test_numbers(case: Case) -> None:
    """Scores within 1e-4 of FunASR's (relative to their size); in a batch as alone."""
    config = yaml.safe_load((case.directory / "config.yaml").read_text())
    weights = read_weights(case.directory / "model.pt")
    vocabulary, width = weights["ctc.ctc_lo.weight"].shape[0], weights["embed.weight"].shape[1]
    network = build_network(config, weights, width, vocabulary).eval()
    rng = np.random.default_rng(3)
    lengths = [1, 2, 40, 41, 300]
    arrays = [torch.from_numpy(rng.standard_normal((n, width)).astype(np.float32)) for n in lengths]
    queries = torch.tensor([[0, 1, 2, 15], [3, 1, 2, 14], [7, 1, 2, 15], [4, 1, 2, 14],
                            [12, 1, 2, 15]])  # fmt: skip
    banned, wanted = [False, True, False, True, False], [True, False, True, True, True]
    if vocabulary <= UNKNOWN_EMOTION:
        banned = [False] * 5

    def score(some: list[int], wanted: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and log probabilities of utterances that share a batch."""
        rows = [lengths[i] + 4 for i in some]
        order, frame = [], 4 * len(some)
        for place, i in enumerate(some):
            order += [*range(4 * place, 4 * place + 4), *range(frame, frame + lengths[i])]
            frame += lengths[i]
        return network(
            torch.cat([arrays[i] for i in some]),
            queries[some].flatten(),
            torch.tensor(order),
            torch.cat([torch.arange(1.0, n + 1) for n in rows]),
            torch.tensor([0, *rows]).cumsum(0),
            torch.cat([torch.full((n,), banned[i]) for i, n in zip(some, rows, strict=True)]),
            torch.cat([torch.arange(n) >= 4 if w else torch.zeros(n, dtype=torch.bool)
                       for w, n in zip(wanted, rows, strict=True)]),
        )  # fmt: skip

    theirs = case.oracle.network
    with torch.no_grad():
        ids, scores = score([0, 1, 2, 3, 4], wanted)
        assert len(ids) == sum(lengths) + 4 * 5
        assert len(scores) == sum(n for n, w in zip(lengths, wanted, strict=True) if w)
        of_row, of_frame = iter(ids.split([n + 4 for n in lengths])), 0
        for i, length in enumerate(lengths):
            x = torch.cat([theirs.embed(queries[i : i + 1]), arrays[i][None]], 1)
            hidden, _ = theirs.encoder(x, torch.tensor([length + 4]))
            expected = theirs.ctc.log_softmax(hidden)[0]
            alone_ids, alone = score([i], [True])
            assert torch.equal(next(of_row), alone_ids)
            if banned[i]:
                assert UNKNOWN_EMOTION not in alone_ids
            said = expected[4:] > -100
            assert (alone - expected[4:])[said].abs().max() < 1e-4 * expected[4:][said].abs().max()
            if wanted[i]:
                together = scores[of_frame : of_frame + length]
                of_frame += length
                assert (together - alone)[said].abs().max() < 1e-5 * alone[said].abs().max()
