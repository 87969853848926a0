"""Streams in a caller's cache: FunASR's way to continue a stream in the next call."""

from __future__ import annotations

import gc
import itertools
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from safeasr.families.cached import CACHE_ENTRY
from support.audio import speech

pytest.importorskip("funasr", reason="funasr makes the model")

from support.streaming import (
    SHAPES,
    StreamOracle,
    pieces_of,
    safe_texts,
    write_streaming_dir,
)
from support.vad import SHAPES as VAD_SHAPES
from support.vad import write_vad_dir

OPTIONS: dict[str, Any] = {
    "chunk_size": [0, 8, 4],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}
WAVE = speech(5, seed=31)
#: Every piece is a step and a little more, so that each has to run.
PIECES = pieces_of(WAVE, 8000)
#: What FunASR leaves in a cache of its own.
FUNASR_CACHE = {"encoder": {"start_idx": 3}, "decoder": {}, "frontend": {}, "prev_samples": []}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The shape with the most tokens: whatever is lost or doubled shows.
    return write_streaming_dir(tmp_path_factory.mktemp("streaming"), SHAPES[1], 1)


@pytest.fixture(scope="module")
def streaming(directory: Path) -> Iterator[AutoModel]:
    with AutoModel(str(directory), num_workers=1, disable_pbar=True) as one:
        yield one


def feed(model: AutoModel, cache: dict[str, Any], piece: Any, final: bool, **options: Any) -> str:
    text: str = model.generate(piece, cache=cache, is_final=final, **options)[0]["text"]
    return text


def test_an_empty_dict_begins_a_stream(streaming: AutoModel) -> None:
    cache: dict[str, Any] = {}
    texts = tuple(feed(streaming, cache, piece, final, **OPTIONS) for piece, final in PIECES)
    assert texts == safe_texts(streaming, PIECES, OPTIONS)
    assert len("".join(texts)) > 10
    assert list(cache) == [CACHE_ENTRY]
    # Emptied, it begins another one.
    feed(streaming, cache, PIECES[0][0], False, **OPTIONS)
    cache.clear()
    again = tuple(feed(streaming, cache, piece, final, **OPTIONS) for piece, final in PIECES)
    assert again == texts


def test_no_cache_is_a_stream_of_one_call(streaming: AutoModel) -> None:
    """Nothing of a call without cache reaches the next one."""
    whole = streaming.generate(WAVE, is_final=True, **OPTIONS)[0]["text"]
    assert streaming.generate(WAVE, is_final=False, **OPTIONS)[0]["text"] != whole
    assert streaming.generate(WAVE, is_final=True, **OPTIONS)[0]["text"] == whole
    assert feed(streaming, {}, WAVE, True, **OPTIONS) == whole


def test_after_the_end_other_options_hold(streaming: AutoModel) -> None:
    other = {**OPTIONS, "chunk_size": [0, 20, 10], "encoder_chunk_look_back": 0}
    fresh = [safe_texts(streaming, PIECES, options) for options in (OPTIONS, other)]
    assert fresh[0] != fresh[1]
    cache: dict[str, Any] = {}
    for options, expected in zip((OPTIONS, other, other, OPTIONS), (0, 1, 1, 0)):
        got = tuple(feed(streaming, cache, piece, final, **options) for piece, final in PIECES)
        assert got == fresh[expected]


def test_what_a_later_call_leaves_out_stays(streaming: AutoModel) -> None:
    cache: dict[str, Any] = {}
    texts = []
    for index, (piece, final) in enumerate(PIECES):
        names = [(), ("chunk_size",), ("decoder_chunk_look_back",)][index % 3]
        given = OPTIONS if index == 0 else {name: OPTIONS[name] for name in names}
        texts.append(feed(streaming, cache, piece, final, **given))
    assert tuple(texts) == safe_texts(streaming, PIECES, OPTIONS)
    # After the end it is another stream: what is left out has its default.
    default = tuple(feed(streaming, cache, piece, final) for piece, final in PIECES)
    assert default == safe_texts(streaming, PIECES, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chunk_size", [0, 10, 5]),
        ("encoder_chunk_look_back", 3),
        ("decoder_chunk_look_back", 0),
    ],
)
def test_options_hold_for_a_whole_stream(streaming: AutoModel, name: str, value: Any) -> None:
    """A changed option is refused by its FunASR name, and the stream goes on."""
    cache: dict[str, Any] = {}
    texts = []
    for piece, final in PIECES:
        if cache:
            with pytest.raises(ValueError, match=name):
                feed(streaming, cache, piece, final, **{**OPTIONS, name: value})
        texts.append(feed(streaming, cache, piece, final, **OPTIONS))
    assert tuple(texts) == safe_texts(streaming, PIECES, OPTIONS)


def test_equal_options_in_another_form(streaming: AutoModel) -> None:
    """A tuple, an array or a numpy number is no change."""
    forms = itertools.cycle([[0, 8, 4], (0, 8, 4), np.array([0, 8, 4]), [np.int64(0), 8, 4.0]])
    cache: dict[str, Any] = {}
    got = tuple(
        feed(streaming, cache, piece, final, **{**OPTIONS, "chunk_size": next(forms)})
        for piece, final in PIECES
    )
    assert got == safe_texts(streaming, PIECES, OPTIONS)


@pytest.mark.parametrize("cache", [[], (), "cache", 1, np.zeros(3), set()])
def test_a_cache_is_a_dict(streaming: AutoModel, cache: Any) -> None:
    with pytest.raises(TypeError, match=r"cache must be a dict, got"):
        streaming.generate(PIECES[0][0], cache=cache, **OPTIONS)


def test_foreign_caches_are_refused(streaming: AutoModel, directory: Path, tmp_path: Path) -> None:
    """FunASR's, another model's, or anything else's: never continued, never changed."""
    oracle = StreamOracle(directory)
    filled: dict[str, Any] = {}
    oracle.model.generate(WAVE[:9600].copy(), cache=filled, is_final=False, **OPTIONS)
    assert filled
    for cache in (filled, dict(FUNASR_CACHE), {"mine": 1}):
        before = dict(cache)
        with pytest.raises(ValueError, match="filled by something else"):
            feed(streaming, cache, PIECES[0][0], False, **OPTIONS)
        assert cache == before
    # Of the same weights, but with an engine of its own; and of another kind.
    for other in (directory, write_vad_dir(tmp_path / "vad", VAD_SHAPES[0])):
        cache = {}
        with AutoModel(str(other), num_workers=1, disable_pbar=True) as model:
            model.generate(PIECES[0][0], cache=cache, is_final=False)
        with pytest.raises(ValueError, match="another model"):
            feed(streaming, cache, PIECES[0][0], False, **OPTIONS)
    with pytest.raises(ValueError, match="another model"):
        feed(streaming, {CACHE_ENTRY: "mine"}, PIECES[0][0], False, **OPTIONS)


def test_16_threads_on_one_cache(streaming: AutoModel) -> None:
    """All come at once with an empty cache and equal pieces: one stream, nothing lost."""
    piece = WAVE[:3000]
    count = 48
    expected = safe_texts(streaming, [(piece, False)] * count + [(piece, True)], OPTIONS)
    for _ in range(3):
        cache: dict[str, Any] = {}
        begin = threading.Barrier(16)

        def run(_: int, cache: dict[str, Any] = cache, begin: Any = begin) -> list[str]:
            begin.wait(60)
            return [feed(streaming, cache, piece, False, **OPTIONS) for _ in range(count // 16)]

        with ThreadPoolExecutor(16) as pool:
            got = [text for texts in pool.map(run, range(16)) for text in texts]
        last = feed(streaming, cache, piece, True, **OPTIONS)
        assert sorted(got) == sorted(expected[:-1])
        assert last == expected[-1]


def test_the_order_of_submits_is_kept(streaming: AutoModel) -> None:
    """Hundreds of pieces on their way at once."""
    pieces = pieces_of(speech(12, seed=8), 1000)
    cache: dict[str, Any] = {}
    futures = [streaming.submit(p, cache=cache, is_final=f, **OPTIONS) for p, f in pieces]
    got = tuple(future.result(60)[0]["text"] for future in futures)
    assert got == safe_texts(streaming, pieces, OPTIONS)


def test_an_abandoned_cache_frees_its_stream(streaming: AutoModel) -> None:
    cache: dict[str, Any] = {}
    feed(streaming, cache, WAVE, False, **OPTIONS)
    gone = weakref.ref(cache[CACHE_ENTRY])
    del cache
    gc.collect()
    assert gone() is None


def test_150_abandoned_streams_leave_no_memory(streaming: AutoModel) -> None:
    """Each holds about 1 MB, most of it samples that do not fill a step yet."""
    psutil = pytest.importorskip("psutil")
    wave = np.resize(WAVE, 2 * 200 * 960 - 1)
    options = {**OPTIONS, "chunk_size": [0, 200, 60], "encoder_chunk_look_back": -1}

    def used(count: int) -> int:
        for _ in range(count):
            feed(streaming, {}, wave, False, **options)
        gc.collect()
        rss: int = psutil.Process().memory_info().rss
        return rss

    before = used(20)
    grown = used(150) - before
    print(f"grown by {grown / 1e6:.1f} MB")
    assert grown < 40e6


FORK = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
import safeasr
from support.audio import speech
wave = speech(1.0)
model = safeasr.AutoModel(sys.argv[1], num_workers=1, disable_pbar=True)
cache = {}
model.generate(wave, cache=cache, is_final=False)
stream = model.stream()
stream.feed(wave)
pid = os.fork()
if pid == 0:
    checks = []
    for call in (
        lambda: model.generate(wave, cache=cache, is_final=True),
        lambda: model.generate(wave, cache={}, is_final=True),
        lambda: stream.feed(wave),
        lambda: model.stream(),
    ):
        try:
            call()
            checks.append("no error")
        except safeasr.ForkedProcessError:
            checks.append("refused")
    print(*checks, flush=True)
    sys.exit(0 if set(checks) == {"refused"} else 1)
_, status = os.waitpid(pid, 0)
print("parent", os.waitstatus_to_exitcode(status), bool(stream.finish()),
      bool(model.generate(wave, cache=cache, is_final=True)))
"""


def test_fork(run_python: Callable[..., subprocess.CompletedProcess[str]], directory: Path) -> None:
    done = run_python(FORK, directory)
    assert "parent 0 True True" in done.stdout, done.stdout + done.stderr
