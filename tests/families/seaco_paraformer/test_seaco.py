"""SeacoParaformer's answers are FunASR's, with any hotwords, alone and in any company."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import AutoModel
from support.audio import Samples, speech
from support.oracle import Answer, answer_of
from support.seaco import SEACO_SHAPES, TimedOracle, many_hotwords, write_seaco
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

#: In seconds. 0.05 s is a single frame of the network.
LENGTHS = [0.05, 0.2, 0.5, 0.9, 1.4, 2.2, 3.3, 4.7, 6.1, 8.3, 16.0]
#: No list, an empty one, short ones, some with words that the vocabulary lacks, some that are
#: filtered, of 50 words and more.
LISTS: list[str | None] = [
    None, "", "今天", "今天 天气 speech", "hello recognize 那就", "qwerty 鑫鑫 12", "天 天 天气",
    *(" ".join(many_hotwords(count, seed=count)) for count in (20, 49, 50, 51, 80, 300)),
    *(" ".join(many_hotwords(5, seed=seed)) for seed in range(3)),
]  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A request and FunASR's answer."""

    clip: Samples
    options: dict[str, Any]
    answer: Answer

    def wrong(self, model: AutoModel) -> list[Any]:
        result = model.generate(self.clip, key="k", **self.options)[0]
        assert list(result) == ["key", "text", "timestamp"]
        got = answer_of(result)
        if got == self.answer.timed:
            return []
        return [(self.options.get("hotword", "-")[:40], got, self.answer.timed)]


@dataclass(frozen=True)
class Case:
    """A model and requests on whose answers FunASR leaves no doubt."""

    directory: Path
    oracle: TimedOracle
    jobs: list[Job]


@pytest.fixture(scope="module", params=usual_first(SEACO_SHAPES), ids=lambda shape: shape.name)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    directory = write_seaco(tmp_path_factory.mktemp("seaco"), request.param, seed=5)
    oracle = TimedOracle(directory)
    jobs, doubtful = [], 0
    for index, seconds in enumerate(LENGTHS):
        for number, hotword in enumerate(LISTS):
            if (index + number) % 4 and index != 7:
                continue
            options = {} if hotword is None else {"hotword": hotword}
            for attempt in range(8):
                clip = speech(seconds, seed=1000 * attempt + index)
                answer = oracle.answer(clip, **options)
                if answer.clear and answer.clear_times:
                    jobs.append(Job(clip, options, answer))
                    break
                doubtful += 1
    assert doubtful < 0.5 * len(jobs), doubtful
    return Case(directory, oracle, jobs)


def test_alone(case: Case, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(case.directory)
    assert not [one for job in case.jobs for one in job.wrong(model)]


def test_the_requests_tell_models_apart(case: Case) -> None:
    """Hotwords change the text, none and an empty list too, and so does the filter."""
    clip = speech(16.0, seed=8)
    texts = [case.oracle.answer(clip, **({} if h is None else {"hotword": h})).text for h in LISTS]
    assert len(set(texts)) > 0.7 * len(texts)
    assert texts[0] != texts[1]
    # Some tokens are left as they were.
    kept = [
        sum(a == b for a, b in zip(texts[0].split(), text.split(), strict=False))
        for text in texts[1:]
    ]
    assert max(kept) > len(texts[0].split()) / 5, "hotwords change everything"
    assert max(len(job.answer.timed[1]) for job in case.jobs if job.answer.timed) > 12


def test_any_company_from_16_threads(case: Case, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(case.directory, num_workers=2, max_wait_ms=20, max_batch_frames=4000)
    jobs = case.jobs * 2
    random.Random(0).shuffle(jobs)
    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(lambda job: job.wrong(model), jobs) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_16_threads_with_16_lists(case: Case, make_model: Callable[..., AutoModel]) -> None:
    """Each answer is, to the last bit of its times, the one that the list gives alone."""
    clip = speech(3.3, seed=6)
    lists = [many_hotwords(3 + 5 * thread, seed=100 + thread) for thread in range(16)]
    alone = make_model(case.directory)
    expected = [alone.generate(clip, key="k", hotword=one) for one in lists]
    assert len({one[0]["text"] for one in expected}) > 5
    model = make_model(case.directory, num_workers=2, max_wait_ms=10, max_batch_size=16)

    def run(thread: int) -> list[Any]:
        return [model.generate(clip, key="k", hotword=lists[thread]) for _ in range(8)]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(run, range(16))) == [[one] * 8 for one in expected]
    assert model.stats()["mean_batch_size"] > 1.2
    assert len(model._recognizer.lists) == 16  # type: ignore[attr-defined]


def test_a_list_is_encoded_once(case: Case, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(case.directory, num_workers=2)
    clip = speech(1.4, seed=4)
    words = many_hotwords(30)
    with ThreadPoolExecutor(16) as pool:
        given = [words, " ".join(words), tuple(words)] * 16
        results = list(
            pool.map(lambda hotword: model.generate(clip, key="k", hotword=hotword), given)
        )
    assert results == results[:1] * len(results)
    [known] = model._recognizer.lists._known._known.values()  # type: ignore[attr-defined]
    assert known.encoded
    assert len(known) == 31


def test_the_cache_is_bounded(
    case: Case, make_model: Callable[..., AutoModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safeasr.families.kept._MOST_WORDS", 40)
    monkeypatch.setattr("safeasr.families.kept._MOST_LISTS", 4)
    model = make_model(case.directory)
    lists = model._recognizer.lists  # type: ignore[attr-defined]
    clip = speech(0.5)
    for seed in range(8):
        model.generate(clip, hotword=many_hotwords(3, seed=seed))
        assert len(lists) == min(seed + 1, 4)
    model.generate(clip, hotword=many_hotwords(100))  # more than all may have: it alone is kept
    assert len(lists) == 1
    model.generate(clip, hotword=many_hotwords(3))
    assert len(lists) == 1


def test_nothing_said(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    """FunASR answers with ``[]`` in place of a result (docs/differences.md)."""
    directory = write_seaco(tmp_path)
    weights = torch.load(directory / "model.pt")
    weights["predictor.cif_output.bias"] -= 30
    torch.save(weights, directory / "model.pt")
    results = make_model(directory).generate(
        [speech(1.0), speech(2.0)], key=["a", "b"], hotword="今天"
    )
    assert results == [{"key": key, "text": "", "timestamp": []} for key in "ab"]
