"""Streaming Paraformer against FunASR, piece by piece: what each piece brings, in any company."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AutoModel
from support.audio import Samples, speech
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

from support.streaming import (
    SHAPES,
    StreamOracle,
    Texts,
    pieces_of,
    random_sizes,
    safe_texts,
    write_streaming_dir,
)

Pieces = list[tuple[Samples, bool]]

CHUNKS = [[0, 10, 5], [0, 8, 4], [0, 20, 10], [5, 10, 5]]
#: Chunks that the encoder and the decoder look back.
LOOK_BACKS = [(4, 1), (0, 0), (1, 0), (2, 2), (-1, -1), (-1, 1)]
#: FunASR's own numbers leave more doubt in the shape that brings a token every 0.2 s.
MOST_UNCLEAR = 0.15


def whole_chunks(wave: Samples, step: int, seed: int) -> Pieces:
    return pieces_of(wave, step)


def odd_sizes(wave: Samples, step: int, seed: int) -> Pieces:
    return pieces_of(wave, random_sizes(seed, 12000))


def all_at_once(wave: Samples, step: int, seed: int) -> Pieces:
    """The first piece is the last one, and many steps long."""
    return [(wave, True)]


def huge_then_nothing(wave: Samples, step: int, seed: int) -> Pieces:
    return [(wave, False), (wave[:0], True)]


def empty_end(wave: Samples, step: int, seed: int) -> Pieces:
    return pieces_of(wave, step + 77, empty_end=True)


def short_tail(wave: Samples, step: int, seed: int) -> Pieces:
    """What is left at the end is shorter than a row: FunASR makes no features of it."""
    count = max(len(wave) // step, 1)
    return pieces_of(np.resize(wave, count * step + 60 + 100 * (seed % 9)), step)


def used_again(wave: Samples, step: int, seed: int) -> Pieces:
    """Three utterances through one stream, the first of a single short piece."""
    third = len(wave) // 3
    return [
        (wave[: 960 + 131 * (seed % 50)], True),
        *pieces_of(wave[third:], step // 2),
        *pieces_of(wave[: 2 * third], random_sizes(seed, step)),
    ]


FEEDS = [whole_chunks, odd_sizes, all_at_once, huge_then_nothing, empty_end, short_tail, used_again]


def options_of(chunk: list[int], back: tuple[int, int]) -> dict[str, Any]:
    return {
        "chunk_size": chunk,
        "encoder_chunk_look_back": back[0],
        "decoder_chunk_look_back": back[1],
    }


class Tally:
    """Counts comparisons; where FunASR's numbers are a matter of rounding there is none."""

    def __init__(self) -> None:
        self.clear = self.unclear = 0
        self.tokens: set[str] = set()

    def __call__(self, expected: Texts, got: tuple[str, ...], what: Any) -> None:
        self.unclear += not expected.clear
        self.clear += expected.clear
        if expected.clear:
            assert got == expected.pieces, what
            self.tokens.update(expected.pieces)

    def check(self) -> None:
        print(f"{self.unclear} of {self.clear + self.unclear} were unclear")
        assert self.unclear < MOST_UNCLEAR * (self.clear + self.unclear)
        assert len(self.tokens) > 20, "the texts say too little"


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [
        write_streaming_dir(tmp_path_factory.mktemp("streaming"), shape, seed)
        for seed, shape in enumerate(SHAPES)
    ]


@pytest.fixture(scope="module")
def models(directories: list[Path]) -> Iterator[list[AutoModel]]:
    made = [AutoModel(str(one), num_workers=1, disable_pbar=True) for one in directories]
    yield made
    for one in made:
        one.close(drain=False)


@pytest.fixture(scope="module")
def oracles(directories: list[Path]) -> list[StreamOracle]:
    return [StreamOracle(one) for one in directories]


@pytest.mark.parametrize(
    "number", usual_first(range(len(SHAPES))), ids=[shape.name for shape in SHAPES]
)
def test_every_piece_brings_what_funasr_says(
    models: list[AutoModel], oracles: list[StreamOracle], number: int
) -> None:
    """Chunk sizes x look-backs, each with four of the ways to cut a recording in turn."""
    tally, feeds = Tally(), itertools.cycle(FEEDS)
    for case, (chunk, back) in enumerate(itertools.product(CHUNKS, LOOK_BACKS)):
        for feed in itertools.islice(feeds, 4):
            seed = 100 * number + case
            wave = speech(1.2 + 0.17 * (seed % 13), seed=seed)
            pieces = feed(wave, chunk[1] * 960, seed)
            options = options_of(chunk, back)
            expected = oracles[number].texts(pieces, **options)
            got = safe_texts(models[number], pieces, options)
            tally(expected, got, (options, feed.__name__, seed))
    tally.check()


def test_long_streams(models: list[AutoModel], oracles: list[StreamOracle]) -> None:
    """Long enough for every ring to go round several times."""
    tally = Tally()
    for seed, (chunk, back) in enumerate([([0, 8, 4], (2, 2)), ([5, 10, 5], (4, 1))]):
        pieces = pieces_of(speech(20, seed=seed), random_sizes(seed, 9000))
        # In parts: one unclear number would spoil all of it.
        options = options_of(chunk, back)
        for number in (0, 2):
            expected = oracles[number].texts(pieces, **options)
            tally(expected, safe_texts(models[number], pieces, options), (options, number))
    assert tally.clear >= 1


def test_a_path_is_a_whole_recording(
    models: list[AutoModel], oracles: list[StreamOracle], tmp_path: Path
) -> None:
    """With a file FunASR takes the first piece for the last one."""
    for seed in range(4):
        file = tmp_path / f"{seed}.wav"
        soundfile.write(file, speech(2.5 + seed, seed=seed), 16000, subtype="PCM_16")
        options = options_of(CHUNKS[seed % 4], (4, 1))
        oracles[0].watch.clear()
        expected = oracles[0].model.generate(str(file), **options)[0]
        if oracles[0].watch.is_clear():
            got = models[0].generate(str(file), **options)[0]
            assert (got["key"], got["text"]) == (expected["key"], expected["text"])
            assert got["text"]


def clear_jobs(oracle: StreamOracle, count: int) -> list[tuple[Pieces, dict[str, Any], Texts]]:
    """Streams of different options, lengths and pieces whose texts leave no doubt."""
    jobs: list[tuple[Pieces, dict[str, Any], Texts]] = []
    for seed in range(3 * count):
        options = options_of(CHUNKS[seed % 4], LOOK_BACKS[seed % 6])
        wave = speech(3 + 0.4 * (seed % 7), seed=500 + seed)
        pieces = FEEDS[seed % 2](wave, options["chunk_size"][1] * 960, seed)
        expected = oracle.texts(pieces, **options)
        if expected.clear:
            jobs.append((pieces, options, expected))
        if len(jobs) == count:
            return jobs
    raise AssertionError(f"only {len(jobs)} of {3 * count} streams are clear")


def test_12_threads_with_different_options(
    directories: list[Path], oracles: list[StreamOracle]
) -> None:
    """Streams of different options and ages share batches; each gets FunASR's texts."""
    jobs = clear_jobs(oracles[0], 12)
    with AutoModel(str(directories[0]), num_workers=1, max_wait_ms=4, disable_pbar=True) as model:
        alone = [safe_texts(model, pieces, options) for pieces, options, _ in jobs]
        assert alone == [expected.pieces for _, _, expected in jobs]
        before = model.stats()
        for turn in range(4):
            begun = threading.Barrier(12)

            def run(index: int, turn: int = turn, begun: threading.Barrier = begun) -> list[str]:
                pieces, options, _ = jobs[index]
                # Some are half done when the others begin: every round others.
                old = len(pieces) // 2 if (index + turn) % 3 else 0
                cache: dict[str, Any] = {}
                texts = []
                for position, (samples, final) in enumerate(pieces):
                    if position == old:
                        begun.wait(60)
                    answer = model.generate(samples, cache=cache, is_final=final, **options)
                    texts.append(answer[0]["text"])
                return texts

            with ThreadPoolExecutor(12) as pool:
                got = list(pool.map(run, range(12)))
            assert [tuple(texts) for texts in got] == alone
        after = model.stats()
    batches = after["batches"] - before["batches"]
    requests = after["batched_requests"] - before["batched_requests"]
    print(f"{requests} steps in {batches} batches")
    assert requests > 2 * batches
    assert after["retried_alone"] == after["failed"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"encoder_chunk_look_back": 3},
        {"encoder_chunk_look_back": 0},
        {"encoder_chunk_look_back": -1},
        {"decoder_chunk_look_back": 0},
        {"decoder_chunk_look_back": 2},
        {"chunk_size": [0, 10, 4]},
        {"chunk_size": [1, 10, 5]},
        {"chunk_size": [0, 11, 5]},
    ],
    ids=str,
)
def test_a_mistake_would_be_seen(
    models: list[AutoModel], oracles: list[StreamOracle], wrong: dict[str, Any]
) -> None:
    """Texts of other options are other texts: the comparisons above can fail."""
    options = options_of([0, 10, 5], (4, 1))
    for seed in range(6):
        pieces = pieces_of(speech(6, seed=900 + seed), 9600)
        expected = oracles[1].texts(pieces, **options)
        if safe_texts(models[1], pieces, {**options, **wrong}) != expected.pieces:
            return
    raise AssertionError("nothing changed")


@pytest.mark.parametrize("damage", ["lost sample", "lost chunk", "swapped", "said twice"])
def test_damaged_audio_would_be_seen(
    models: list[AutoModel], oracles: list[StreamOracle], damage: str
) -> None:
    """A piece that is lost, late or doubled on its way changes the texts."""
    changes: dict[str, Callable[[Pieces], Pieces]] = {
        "lost sample": lambda p: [(p[0][0][160:], False), *p[1:]],
        "lost chunk": lambda p: [*p[:3], *p[4:]],
        "swapped": lambda p: [*p[:3], p[4], p[3], *p[5:]],
        "said twice": lambda p: [*p[:3], p[3], *p[3:]],
    }
    options = options_of([0, 10, 5], (4, 1))
    pieces = pieces_of(speech(6, seed=950), 9600)
    expected = "".join(oracles[1].texts(pieces, **options).pieces)
    assert "".join(safe_texts(models[1], changes[damage](pieces), options)) != expected
