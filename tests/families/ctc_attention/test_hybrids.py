"""Hybrids of CTC and attention: FunASR's answers with any options, alone and in any company."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, UnsupportedModelError
from support.audio import Samples, speech
from support.hybrid_oracle import HybridOracle
from support.hybrids import CLASSES, config_of, write_hybrid_dir
from support.models import VOCABULARY
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

#: In seconds. FunASR's search takes as long as what it hears, and longer.
LENGTHS = (0.11, 0.3, 0.6)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"beam_size": 1},
    {"beam_size": 3, "decoding_ctc_weight": 0.2},
    {"beam_size": 4, "decoding_ctc_weight": 0.0, "penalty": 0.3},
    {"beam_size": 5, "penalty": -1.5},
    {"beam_size": 4, "maxlenratio": 0.3, "minlenratio": 0.2},
    {"beam_size": 2, "maxlenratio": -4, "lm_weight": 0.7},
    {"beam_size": 70},  # CTC scores all tokens: one and a half times as many are not there
]
Job = tuple[Samples, dict[str, Any], dict[str, Any]]


def jobs_of(directory: Path, options: list[dict[str, Any]], few: bool) -> list[Job]:
    """Requests with FunASR's answers, as far as it is sure of them."""
    oracle = HybridOracle(directory)
    jobs: list[Job] = []
    doubtful = 0
    for row, own in enumerate(options):
        for column, seconds in enumerate(LENGTHS):
            if (few and (row + column) % 3) or (own.get("beam_size", 0) > 10 and column):
                continue
            clip = speech(seconds, seed=10 * row + column)
            try:
                expected = oracle.decided(clip, **own)
            except IndexError:  # more tokens than rows of sound: below
                continue
            if expected is None:
                doubtful += 1
            else:
                jobs.append((clip, own, expected[0]))
    assert doubtful < len(jobs) / 4, doubtful
    return jobs


@pytest.fixture(scope="module", params=usual_first(CLASSES))
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Job]]:
    directory = write_hybrid_dir(
        tmp_path_factory.mktemp("hybrid"), config_of(request.param), seed=3
    )
    few = request.param != "Conformer"
    return directory, jobs_of(directory, OPTIONS[:4] if few else OPTIONS, few)


def wrong(model: AutoModel, job: Job) -> list[Any]:
    clip, options, expected = job
    found = model.generate(clip, key="k", **options)[0]
    return [] if found == expected else [(options, len(clip), found, expected)]


def test_alone_and_in_any_company(
    case: tuple[Path, list[Job]], make_model: Callable[..., AutoModel]
) -> None:
    directory, jobs = case
    model = make_model(directory, num_workers=2, max_wait_ms=5)
    assert not [one for job in jobs for one in wrong(model, job)]
    assert len({job[2]["text"] for job in jobs}) >= len(jobs) / 2, "options make no difference"
    mixed = jobs * 3
    random.Random(0).shuffle(mixed)
    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(lambda job: wrong(model, job), mixed) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hybrid_dir(tmp_path_factory.mktemp("conformer"), seed=3)


def test_options_stay_with_their_call(
    directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    """FunASR searches by the options of its first call for ever after."""
    clip = speech(0.9, seed=4)
    oracle = HybridOracle(directory)
    fresh = [oracle(clip, **own) for own in OPTIONS[:4]]
    assert fresh[0] != fresh[3]
    oracle(clip)
    assert oracle.model.generate(clip.copy(), key="k", **OPTIONS[3])[0] == fresh[0][0]
    model = make_model(directory)
    for _ in range(2):
        for own, expected in zip(OPTIONS[:4], fresh, strict=True):
            assert model.generate(clip, key="k", **own) == expected


def test_several_texts(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """One behind the other, as FunASR lists them; also from lists and futures."""
    clips = [speech(seconds, seed=6) for seconds in (0.3, 0.5, 0.02)]
    oracle, model = HybridOracle(directory), make_model(directory)
    expected = [oracle(clip, nbest=3, beam_size=4) for clip in clips[:2]]
    assert [len(one) for one in expected] == [3, 3]
    for clip, texts in zip(clips, expected, strict=False):
        assert model.generate(clip, key="k", nbest=3, beam_size=4) == texts
    assert len(model.generate(clips[0], key="k", nbest=1000)) > 3
    together = model.submit(clips, key=["k"] * 3, nbest=3, beam_size=4).result()
    assert together == [*expected[0], *expected[1], {"key": "k", "token": [], "text": ""}]


def test_one_answer_whatever_the_batch(
    directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    """FunASR leaves out beam search, and gives what CTC alone hears."""
    clips = [speech(seconds, seed=6) for seconds in (0.3, 0.5)]
    oracle = HybridOracle(directory)
    alone = [one for clip in clips for one in oracle(clip)]
    given = [clip.copy() for clip in clips]
    by_ctc = oracle.model.generate(given, key=["k", "k"], batch_size=2)
    assert [set(one) for one in by_ctc] == [{"key", "text"}] * 2, "FunASR is mended"
    assert all(one["text"] != other["text"] for one, other in zip(by_ctc, alone, strict=True))
    assert make_model(directory).generate(clips, key=["k", "k"], batch_size=2) == alone


def test_too_short(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """FunASR raises TooShortUttError, and the other inputs are lost with it."""
    clips = [speech(seconds, seed=2) for seconds in (0.05, 0.3, 0.07, 0.001)]
    with pytest.raises(Exception, match="too short"):
        HybridOracle(directory)(clips[0])
    results = make_model(directory).generate(clips, key=list("abcd"))
    assert [one["key"] for one in results] == list("abcd")
    for place in (0, 2, 3):
        assert results[place] == {"key": "abcd"[place], "token": [], "text": ""}
    assert results[1]["text"]


def test_no_length_at_all(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """FunASR's list of results is shorter then."""
    clip = speech(0.5, seed=2)
    assert HybridOracle(directory)(clip, maxlenratio=-0.5) == []
    found = make_model(directory).generate(clip, key="k", maxlenratio=-0.5)
    assert found == [{"key": "k", "token": [], "text": ""}]


def test_more_tokens_than_rows_of_sound(
    directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    """FunASR's CTC scores raise IndexError."""
    clip = speech(0.12, seed=2)
    with pytest.raises(IndexError):
        HybridOracle(directory)(clip, maxlenratio=-12)
    [found] = make_model(directory).generate(clip, key="k", maxlenratio=-12)
    assert isinstance(found["text"], str)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_models_without_a_part(
    weight: float, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """Trained without CTC, or without a decoder."""
    config = config_of("Transformer", model_conf={"ctc_weight": weight})
    directory = write_hybrid_dir(tmp_path, config, seed=4)
    oracle, model = HybridOracle(directory), make_model(directory)
    compared = 0
    for seed, own in enumerate(({}, {"beam_size": 3, "penalty": 0.5, "decoding_ctc_weight": 0.4})):
        for seconds in (0.3, 0.9):
            clip = speech(seconds, seed=seed)
            expected = oracle.decided(clip, **own)
            if expected is not None:
                compared += 1
                assert model.generate(clip, key="k", **own) == expected
    assert compared > 2
    missing = "trained without it" if weight == 0.0 else "the model has none"
    with pytest.raises(UnsupportedModelError, match=missing):
        model.generate(speech(0.3), decoding_ctc_weight=1.0 - weight)


def test_ctc_alone(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """With decoding_ctc_weight=1.0 all tokens count, of which FunASR takes any."""
    model, oracle = make_model(directory), HybridOracle(directory)
    clip, own = speech(0.9, seed=4), {"decoding_ctc_weight": 1.0, "beam_size": 4}
    found = model.generate(clip, key="k", **own)
    assert oracle(clip, **own) != found, "FunASR is mended"
    network = oracle.model.model
    begin = network.init_beam_search

    def without_choice(**options: Any) -> None:
        begin(**options)
        network.beam_search.do_pre_beam = False

    network.init_beam_search = without_choice
    assert oracle(clip, **own) == found


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_beams_wider_than_the_vocabulary(
    share: float, directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    """FunASR fails; and where there is room for the blank, rounding makes it likely."""
    clip, tokens = speech(0.2, seed=5), len(VOCABULARY)
    own = {"decoding_ctc_weight": share, "nbest": 1000, "maxlenratio": -2}
    oracle, model = HybridOracle(directory), make_model(directory)
    # All tokens but one fit behind the first step, so that no wider beam finds better texts.
    best = oracle(clip, beam_size=tokens - 1, **own)[:5]
    with pytest.raises(RuntimeError, match="out of range"):
        oracle(clip, beam_size=tokens + 1, **own)
    if share > 0:
        assert oracle(clip, beam_size=tokens, **own)[:5] != best, "FunASR is mended"
    for beam in (tokens, 2 * tokens):
        found = model.generate(clip, key="k", beam_size=beam, **own)
        assert found[:5] == best
        assert len(found) == 1 + beam  # the first step ends one text, the second all of the beam


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("beam_size", [0, -1, 1.5, True, "10", 1001, float("nan")]),
        ("decoding_ctc_weight", [-0.1, 1.1, "half", float("nan"), True]),
        ("nbest", [0, 2.5, "all", 1001]),
        ("penalty", ["much", float("inf"), [1], 1e9]),
        ("maxlenratio", ["long", float("nan"), 1e9]),
        ("minlenratio", ["short", float("nan")]),
        ("lm_weight", ["heavy", float("inf")]),
    ],
)
def test_wrong_options(directory: Path, option: str, values: list[Any]) -> None:
    with AutoModel(str(directory), disable_pbar=True, num_workers=1) as model:
        for value in values:
            with pytest.raises(ValueError, match=f"{option} must be"):
                model.generate(np.zeros(4000, np.float32), **{option: value})
