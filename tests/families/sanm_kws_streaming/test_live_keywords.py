"""Keywords in live streams: FunASR's answers, however streams are cut, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AutoModel, OptionError
from support.audio import Samples, speech
from support.cases import LiveJob
from support.keyword_oracle import KeywordOracle, same, spoken
from support.keyword_streams import WINDOWS, live
from support.keywords import CALLS, LIVE, TOKENS, write_keyword_dir
from support.shapes import usual_first
from support.streaming import pieces_of, random_sizes

pytest.importorskip("funasr", reason="funasr is the reference")

EVERY = ",".join(TOKENS[2:-1])
BY_NAME = {shape.name: shape for shape in LIVE}


@dataclass(frozen=True)
class Case:
    """A model, and streams with FunASR's answers, which no rounding decides."""

    directory: Path
    jobs: list[tuple[LiveJob, dict[str, Any]]]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    """Makes each shape's model and asks FunASR once."""
    made: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in made:
            directory = write_keyword_dir(tmp_path_factory.mktemp("live"), BY_NAME[name])
            oracle = KeywordOracle(directory)
            jobs = []
            for pieces, options in live(2 * len(WINDOWS), step=0.13):
                answer = oracle(pieces, **options)
                if answer is not None:
                    jobs.append(((pieces, options), answer))
            assert len(jobs) > 1.6 * len(WINDOWS)
            made[name] = Case(directory, jobs)
        return made[name]

    return get


def told(
    model: AutoModel, pieces: Sequence[tuple[Samples, bool]], **options: Any
) -> dict[str, Any]:
    """What the last piece brings, without the key; those before it bring nothing."""
    cache: dict[str, Any] = {}
    results = [
        model.generate(piece, cache=cache, is_final=last, **options)[0] for piece, last in pieces
    ]
    assert all(one["text"] == "" for one in results[:-1])
    return {name: value for name, value in results[-1].items() if name != "key"}


@pytest.mark.parametrize("name", usual_first(BY_NAME))
def test_streams_from_12_threads(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel], name: str
) -> None:
    """Windows of all sizes, look-backs and lists share batches."""
    case = cases(name)
    model = make_model(case.directory, num_workers=2, max_wait_ms=5)
    begun = threading.Barrier(12)

    def run(thread: int) -> list[str]:
        begun.wait(60)
        found = [
            (told(model, job[0], **job[1]), answer) for job, answer in case.jobs[thread::12] * 2
        ]
        return [f"expected {b}, got {a}" for a, b in found if not same(a, b)]

    with ThreadPoolExecutor(12) as pool:
        assert not [one for part in pool.map(run, range(12)) for one in part]
    words = [spoken(answer["text"])[0] for _, answer in case.jobs]
    assert len(set(words)) > 8
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_how_a_stream_is_cut_changes_no_bit(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel], tmp_path: Path
) -> None:
    model, wave = make_model(cases("usual").directory), speech(2.3, seed=9)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    for window in WINDOWS:
        options = {**window, **CALLS[0]}
        ways = [
            told(model, pieces_of(wave, sizes, empty_end=end), **options)
            for sizes, end in (
                (len(wave), False),
                (len(wave), True),
                (9600, False),
                (random_sizes(1, 4000), True),
                (random_sizes(2, 400), False),
            )
        ]
        stream = model.stream(**options)
        stream.feed(wave[:5000])
        ways.append({"text": stream.finish(wave[5000:])["text"]})
        # A file is a stream of its own; so is an array that says that it is.
        ways.append({"text": model.generate(str(tmp_path / "a.wav"), **options)[0]["text"]})
        ways.append({"text": model.generate(wave, is_final=True, **options)[0]["text"]})
        assert ways == ways[:1] * len(ways)


def test_too_short_for_a_row(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel]
) -> None:
    """FunASR gives no result at all then; here every input has one."""
    directory = cases("usual").directory
    model, oracle = make_model(directory), KeywordOracle(directory)
    for count in (0, 1, 300):
        pieces = [(np.zeros(count, np.float32), True)]
        assert oracle.generate(pieces[0][0], cache={}, is_final=True, chunk_size=[4, 8, 4]) == []
        assert told(model, pieces) == {"text": "rejected"}


def test_a_stream_begins_anew(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel]
) -> None:
    model = make_model(cases("usual").directory, keywords=EVERY)
    first, second = speech(1.2, seed=1), speech(0.9, seed=2)
    alone = [told(model, [(wave, True)]) for wave in (first, second)]
    assert alone[0] != alone[1]
    cache: dict[str, Any] = {}
    for wave, wanted in zip((first, second, first), (*alone, alone[0]), strict=True):
        model.generate(wave[:7000], cache=cache)
        found = model.generate(wave[7000:], cache=cache, is_final=True, key="k")[0]
        assert found == {"key": "k", **wanted}


def test_options_hold_for_a_stream(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel]
) -> None:
    directory = cases("usual").directory
    model, wave = make_model(directory), speech(1.2, seed=1)
    cache: dict[str, Any] = {}
    model.generate(wave, cache=cache, keywords=EVERY, chunk_size=[0, 6, 0])
    for changed in ({"keywords": "小"}, {"chunk_size": [4, 8, 4]}, {"encoder_chunk_look_back": 1}):
        with pytest.raises(OptionError, match="options hold for a whole stream"):
            model.generate(wave, cache=cache, **changed)
    # What a later call leaves out stays as it was.
    end = model.generate(wave[:0], cache=cache, is_final=True)[0]
    assert end["text"] == told(model, [(wave, True)], keywords=EVERY, chunk_size=[0, 6, 0])["text"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk_size": [0, 0, 5]}, {"chunk_size": [-1, 8, 4]}, {"chunk_size": [4, 8, -4]},
        {"chunk_size": [4, 8]}, {"chunk_size": 8}, {"chunk_size": [4, 10**9, 4]},
        {"encoder_chunk_look_back": -2}, {"encoder_chunk_look_back": 10**9}, {"keywords": ""},
        {"keywords": "!"},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_cannot_be(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel], wrong: dict[str, Any]
) -> None:
    model = make_model(cases("usual").directory)
    with pytest.raises(OptionError, match=next(iter(wrong))):
        model.generate(speech(0.5, seed=1), cache={}, **wrong)
    with pytest.raises(OptionError, match=next(iter(wrong))):
        model.generate(speech(0.5, seed=1), is_final=True, **wrong)
    with pytest.raises(OptionError, match=next(iter(wrong))):
        model.stream(**wrong)


def test_a_chunk_that_is_refused_never_came(
    cases: Callable[[str], Case], make_model: Callable[..., AutoModel]
) -> None:
    model, wave = make_model(cases("usual").directory, keywords=EVERY), speech(1.2, seed=1)
    broken = wave.copy()
    broken[3000] = np.nan
    with model.stream() as stream:
        stream.feed(wave[:9000])
        with pytest.raises(ValueError, match="NaN"):
            stream.feed(broken)
        assert stream.finish(wave[9000:])["text"] == told(model, [(wave, True)])["text"]
