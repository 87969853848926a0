"""Sessions of all kinds for a while: every answer right, nothing left behind.

``SAFEASR_SOAK_SESSIONS`` says how many (default 300).
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AudioError, AutoModel, CancelledError, DeadlineExceededError
from support.audio import Samples, speech
from support.processes import child_environment, run_to_end

pytest.importorskip("funasr", reason="funasr makes the models")

from support.streaming import (
    SHAPES,
    StreamOracle,
    pieces_of,
    random_sizes,
    write_streaming_dir,
)
from support.vad import SHAPES as VAD_SHAPES
from support.vad import conversation, write_vad_dir

SESSIONS = int(os.environ.get("SAFEASR_SOAK_SESSIONS", "300"))
THREADS = 16
#: In the second half, when allocators and threads are warm: what sixteen threads may have in hand
#: when it is measured, and what allocators keep back. A session holds about 0.3 MB.
MOST_GROWTH = 20e6
KINDS = ["feed", "push", "cache", "abandon", "reset", "bad", "late", "close", "again", "drop"]


@dataclass(frozen=True)
class Job:
    """A recording in pieces, and what they bring when nothing else runs."""

    model: AutoModel
    pieces: list[tuple[Samples, bool]]
    options: dict[str, Any]
    field: str
    expected: list[Any]


def run(stream: Any, job: Job) -> list[Any]:
    return [stream.feed(piece, final)[job.field] for piece, final in job.pieces]


def make_job(model: AutoModel, field: str, wave: Samples, seed: int, **options: Any) -> Job:
    pieces = pieces_of(wave, random_sizes(seed, 8000), empty_end=seed % 3 == 0)
    job = Job(model, pieces, options, field, [])
    with model.stream(**options) as stream:
        return Job(model, pieces, options, field, run(stream, job))


@contextmanager
def prepared(directory: Path) -> Iterator[list[Job]]:
    path = write_streaming_dir(directory / "streaming", SHAPES[0], 2)
    oracle = StreamOracle(path)
    vad_path = write_vad_dir(directory / "vad", VAD_SHAPES[0])
    with ExitStack() as closing:
        model = closing.enter_context(AutoModel(str(path), num_workers=1, disable_pbar=True))
        vad = closing.enter_context(AutoModel(str(vad_path), num_workers=1, disable_pbar=True))
        made = []
        for seed in range(20):
            options = {
                "chunk_size": [[0, 10, 5], [0, 8, 4], [5, 10, 5]][seed % 3],
                "encoder_chunk_look_back": [4, 0, -1, 1][seed % 4],
                "decoder_chunk_look_back": [1, 0, 2][seed % 3],
            }
            wave = speech(1 + 0.3 * (seed % 8), seed=700 + seed)
            job = make_job(model, "text", wave, seed, **options)
            # Where the numbers are a matter of rounding, the company of a batch may decide.
            if oracle.texts(job.pieces, **options).clear:
                made.append(job)
        assert len(made) > 10
        for seed in range(8):
            options = {"chunk_size": [60, 200][seed % 2], "max_end_silence_time": 200 + 100 * seed}
            made.append(make_job(vad, "value", conversation(4, seed=seed), seed, **options))
        assert sum(any(job.expected) for job in made) > 10
        yield made


def one_session(job: Job, kind: str, rng: random.Random) -> None:
    """Asserts that a session that comes to its end brings what it brings alone."""
    stream = job.model.stream(**job.options)
    some = job.pieces[: rng.randrange(1, len(job.pieces) + 1)]
    if kind == "feed":
        assert run(stream, job) == job.expected
        stream.close()
    elif kind == "push":
        for piece, final in job.pieces:
            stream.push(piece, final)
        assert [result[job.field] for result in stream] == job.expected
    elif kind == "cache":
        cache: dict[str, Any] = {}
        got = []
        for piece, final in job.pieces:
            answer = job.model.generate(piece, cache=cache, is_final=final, **job.options)
            got.append(answer[0][job.field])
        assert got == job.expected
    elif kind == "abandon":
        for piece, _ in some:
            stream.feed(piece)
    elif kind == "reset":
        for piece, _ in some:
            stream.submit(piece)
        stream.reset()
        assert run(stream, job) == job.expected
    elif kind == "bad":
        got = []
        for piece, final in job.pieces:
            with pytest.raises(AudioError):
                stream.feed(np.full(rng.randrange(1, 5000), np.nan, np.float32), rng.random() < 0.5)
            got.append(stream.feed(piece, final)[job.field])
        assert got == job.expected
    elif kind == "late":
        got = []
        for piece, final in job.pieces:
            with pytest.raises(DeadlineExceededError):
                stream.feed(piece[::-1], timeout=0)
            got.append(stream.feed(piece, final)[job.field])
        assert got == job.expected
    elif kind == "close":
        answers = [stream.submit(piece) for piece, _ in some]
        stream.close()
        for answer in answers:
            if not answer.cancelled():
                assert job.field in answer.result(60)
        with pytest.raises(ValueError, match="closed"):
            stream.feed(some[0][0])
    elif kind == "again":
        assert [run(stream, job) for _ in range(2)] == [job.expected] * 2
    else:  # dropped with chunks under way
        answers = [stream.submit(piece) for piece, _ in some]
        del stream
        try:
            answers[-1].result(60)
        except CancelledError as error:  # nobody closed it
            raise AssertionError("a chunk was lost") from error


def rss() -> int:
    psutil = pytest.importorskip("psutil")
    gc.collect()
    used: int = psutil.Process().memory_info().rss
    return used


@pytest.mark.soak
def test_sessions_of_all_kinds(tmp_path: Path, own_cache: Path) -> None:
    """In a process of its own, where torch and oneDNN keep few kernels.

    They keep one for each number of rows that a batch ever had, 1024 in all, which takes hundreds
    of MB and would hide a leak.
    """
    script = (
        "import pathlib, sys, test_stream_soak as soak\n"
        "with soak.prepared(pathlib.Path(sys.argv[1])) as jobs: soak.soak(jobs)"
    )
    few = {"LRU_CACHE_CAPACITY": "16", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16"}
    done = run_to_end(
        [sys.executable, "-c", script, str(tmp_path)],
        timeout=120 + SESSIONS / 10,
        env={**child_environment(), **few},
    )
    print("".join(line for line in done.stdout.splitlines() if "sessions" in line))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def soak(jobs: list[Job]) -> None:
    numbers = iter(range(SESSIONS))
    lock = threading.Lock()
    done: Counter[str] = Counter()
    wrong: list[str] = []
    used: list[int] = []

    def client(next_number: Callable[[], int | None]) -> None:
        while (number := next_number()) is not None:
            rng = random.Random(number)
            job, kind = rng.choice(jobs), KINDS[number % len(KINDS)]
            try:
                one_session(job, kind, rng)
            except BaseException as error:
                with lock:
                    wrong.append(f"session {number} ({kind}): {type(error).__name__}: {error}")
            with lock:
                done[kind] += 1
                if sum(done.values()) % max(SESSIONS // 10, 1) == 0:
                    used.append(rss())

    def next_number() -> int | None:
        with lock:
            return next(numbers, None)

    begin = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for one in [pool.submit(client, next_number) for _ in range(THREADS)]:
            one.result()
    seconds = time.monotonic() - begin
    after = rss()
    models = {id(job.model): job.model for job in jobs}.values()
    steps = sum(model.stats()["batched_requests"] for model in models)
    batches = sum(model.stats()["batches"] for model in models)
    print(
        f"{SESSIONS} sessions in {seconds:.1f} s, {steps / max(batches, 1):.1f} requests in a "
        f"batch; RSS in MB {[int(one / 1e6) for one in used]}, then {after / 1e6:.0f}; "
        f"{len(wrong)} wrong"
    )
    assert not wrong, wrong[:5]
    assert sum(done.values()) == SESSIONS
    assert after - used[len(used) // 2] < MOST_GROWTH
    for model in models:
        stats = model.stats()
        ends = ("completed", "failed", "cancelled", "expired")
        assert stats["submitted"] == sum(stats[name] for name in ends)
        assert stats["failed"] == stats["retried_alone"] == stats["waiting"] == 0
