"""bfloat16 and int8: every answer alone as in any company, whatever the family."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel
from support.cases import FamilyCase, live_answers, of_calls, of_streams, plain, said
from support.precision import OPTIONS, require

pytest.importorskip("funasr", reason="funasr makes the models")

LENGTHS = [0.05, 0.06, 0.09, 0.2, 0.3, 0.5, 0.7, 1.1, 1.7, 2.2, 2.9, 3.3, 4.7, 6.1, 8.3, 15.2]


@pytest.fixture(params=list(OPTIONS))
def precision(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Callable[[FamilyCase], Path]:
    """Makes a model of each family once."""
    made: dict[str, Path] = {}

    def get(case: FamilyCase) -> Path:
        if case.name not in made:
            made[case.name] = case.write(tmp_path_factory.mktemp("precision"))
        return made[case.name]

    return get


def options_of(case: FamilyCase, index: int) -> dict[str, Any]:
    """Options of a call; they differ from one clip to the next."""
    return case.calls[index % len(case.calls)]


def has(case: FamilyCase, precision: str) -> None:
    """Skip families without the precision."""
    if precision not in case.reduced:
        pytest.skip(f"{case.name} has no {precision}")


@of_calls(lambda case: case.reduced)
@pytest.mark.slow
def test_any_company_from_16_threads(
    case: FamilyCase,
    precision: str,
    directories: Callable[[FamilyCase], Path],
    make_model: Callable[..., AutoModel],
) -> None:
    has(case, precision)
    clips = [case.clip(seconds, i) for i, seconds in enumerate(LENGTHS)]
    alone = make_model(directories(case), max_batch_size=1, **OPTIONS[precision])
    assert alone.precision == precision
    expected = [
        plain(alone.generate(clip, key="k", **options_of(case, i))[0])
        for i, clip in enumerate(clips)
    ]
    texts = [said(one) for one in expected]
    assert len(set(texts)) > len(texts) / 2
    assert max(map(len, texts)) > 20

    model = make_model(
        directories(case), num_workers=2, max_batch_size=16, max_wait_ms=20, max_batch_frames=4000,
        **OPTIONS[precision],
    )  # fmt: skip
    without = [plain(alone.generate(clip, key="k")[0]) for clip in clips]
    order = random.Random(precision).sample(range(len(clips)), len(clips))
    listed = model.generate(case.together([clips[i] for i in order]), key=["k"] * len(clips))
    assert plain(listed) == [without[i] for i in order]

    jobs = list(range(len(clips))) * 4
    random.Random(case.name).shuffle(jobs)

    def run(thread: int) -> list[int]:
        return [
            i
            for i in jobs[thread::16]
            if plain(model.generate(clips[i], key="k", **options_of(case, i))[0]) != expected[i]
        ]

    with ThreadPoolExecutor(16) as pool:
        assert not [i for part in pool.map(run, range(16)) for i in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


@of_calls(lambda case: case.reduced)
@pytest.mark.slow
def test_cores_within_a_batch_change_no_answer(
    case: FamilyCase,
    precision: str,
    directories: Callable[[FamilyCase], Path],
    make_model: Callable[..., AutoModel],
) -> None:
    has(case, precision)
    one = make_model(directories(case), intra_op_threads=1, **OPTIONS[precision])
    three = make_model(directories(case), intra_op_threads=3, **OPTIONS[precision])
    for seed, seconds in enumerate(LENGTHS):
        clip = case.clip(seconds, 50 + seed)
        assert plain(three.generate(clip, key="k")) == plain(one.generate(clip, key="k"))


@of_streams(lambda case: case.reduced)
def test_live_streams_from_16_threads(
    case: FamilyCase,
    precision: str,
    directories: Callable[[FamilyCase], Path],
    make_model: Callable[..., AutoModel],
) -> None:
    """Streams of all options and ages share steps; each says what it says alone."""
    has(case, precision)
    assert case.live is not None
    jobs = case.live(16)
    model = make_model(directories(case), max_wait_ms=4, **OPTIONS[precision])
    assert model.precision == precision
    alone = [live_answers(model, job) for job in jobs]
    assert len({"".join(texts) for texts in alone}) == len(jobs)
    before = model.stats()
    begun = threading.Barrier(len(jobs))

    def run(index: int) -> list[list[str]]:
        begun.wait(60)
        return [live_answers(model, jobs[index]) for _ in range(2)]

    with ThreadPoolExecutor(len(jobs)) as pool:
        assert list(pool.map(run, range(len(jobs)))) == [[texts] * 2 for texts in alone]
    after = model.stats()
    steps = after["batched_requests"] - before["batched_requests"]
    assert steps > 2 * (after["batches"] - before["batches"]), "nobody had company"
