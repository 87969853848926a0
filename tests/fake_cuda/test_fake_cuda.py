"""torch's own CUDA runtime, with a made-up CUDA beneath: what no real device does on demand.

Memory that runs out at any place, a device that breaks, and calls that CUDA refuses while a stream
records. ``tests/fake_cuda/run.sh`` runs it; skipped elsewhere. With
PYTORCH_NO_CUDA_MEMORY_CACHING=1 memory is asked of CUDA, and given back, every time: what is used
after that ends the process.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from safeasr import AutoModel, InferenceError, OutOfMemoryError, _ext
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from support.paths import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks is not installed

pytestmark = pytest.mark.skipif(
    "FAKE_CUDA" not in os.environ, reason="needs tests/fake_cuda/run.sh"
)

LIVE: dict[str, Any] = {
    "chunk_size": [0, 10, 5],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}
#: What CUDA gives for an illegal access.
ILLEGAL_ADDRESS = 700
#: Every allocation is CUDA's then. A recording cannot make any.
UNCACHED = "PYTORCH_NO_CUDA_MEMORY_CACHING" in os.environ
#: Of cuBLAS on Hopper, for a stream and a handle; a little is torch's.
SCRATCH = 34 << 20


class FakeCuda:
    """What the made-up CUDA counts, and what it is told to do."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL(None)
        self._library.fake_cuda_count.restype = ctypes.c_uint64
        self._library.fake_cuda_complaints.restype = ctypes.c_uint64
        self._library.fake_cuda_fail_allocations.argtypes = [ctypes.c_int64] * 2
        self._library.fake_cuda_break_after.argtypes = [ctypes.c_int64, ctypes.c_int]

    def count(self, what: str) -> int:
        return int(self._library.fake_cuda_count(what.encode()))

    def complaints(self) -> int:
        return int(self._library.fake_cuda_complaints())

    def fail_allocations(self, after: int, times: int) -> None:
        self._library.fake_cuda_fail_allocations(after, times)

    def break_devices(self, error: int) -> None:
        self._library.fake_cuda_break(error)

    def break_after(self, calls: int, error: int) -> None:
        self._library.fake_cuda_break_after(calls, error)


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    """Everything that CUDA would have refused fails the test."""
    torch.cuda.init()
    fake = FakeCuda()
    before = fake.complaints()
    yield fake
    fake.fail_allocations(-1, 0)
    fake.break_devices(0)
    assert fake.complaints() == before


@pytest.fixture(scope="module")
def items() -> list[Clip]:
    return embedded_clips()


def load(model: str, device: str = "cuda:0", **options: Any) -> AutoModel:
    return AutoModel(model, device=device, disable_pbar=True, **{"num_workers": 2, **options})


def ask(model: AutoModel, name: str, item: Clip) -> str:
    if name != "demo-streaming":
        return str(model.generate(item.samples)[0]["text"])
    stream, audio = model.stream(**LIVE), item.samples
    return "|".join(
        stream.feed(audio[i : i + 9600], i + 9600 >= len(audio))["text"]
        for i in range(0, len(audio), 9600)
    )


def answers(
    model: AutoModel, name: str, items: list[Clip], expected: list[str] | None
) -> Counter[str]:
    """What comes of all items from eight threads."""

    def one(number: int) -> str:
        try:
            found = ask(model, name, items[number])
        except Exception as error:
            return type(error).__name__
        return "right" if expected is None or found == expected[number] else "wrong"

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(one, range(len(items))))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("demo", {}),
        ("demo-streaming", {}),
        pytest.param(
            "demo-streaming",
            {"cuda_graphs": True},
            marks=pytest.mark.skipif(UNCACHED, reason="graphs need torch's cache"),
        ),
    ],
)
def test_memory_runs_out_at_any_place(
    cuda: FakeCuda, items: list[Clip], name: str, options: dict[str, Any]
) -> None:
    with load(name, "cpu") as model:
        expected = [ask(model, name, item) for item in items]
    _ext.keep_slower_graphs(True)
    failed = 0
    try:
        for place in range(0, 6000, 250) if UNCACHED else range(12):
            torch.cuda.empty_cache()
            with load(name, max_wait_ms=1, **options) as model:
                before = cuda.count("allocations that failed")
                cuda.fail_allocations(place, 4)
                found = answers(model, name, items, expected)
                assert set(found) <= {"right", OutOfMemoryError.__name__}, place
                cuda.fail_allocations(-1, 0)
                failed += cuda.count("allocations that failed") - before
                assert answers(model, name, items, expected) == {"right": len(items)}, place
    finally:
        _ext.keep_slower_graphs(False)
    assert failed >= 4


@pytest.mark.skipif(UNCACHED, reason="without its cache torch's destructors throw")
@pytest.mark.parametrize("options", [{}, {"cuda_graphs": True}])
def test_a_broken_device_ends_no_process(
    cuda: FakeCuda, items: list[Clip], options: dict[str, Any]
) -> None:
    with (
        load("demo", "cpu") as cpu,
        load("demo") as model,
        load("demo-streaming", **options) as one,
    ):
        for _ in range(3):
            assert answers(one, "demo-streaming", items, None) == {"right": len(items)}
        expected = [ask(cpu, "demo", item) for item in items]
        cuda.break_devices(ILLEGAL_ADDRESS)
        for name, broken in (("demo", model), ("demo-streaming", one)):
            found = answers(broken, name, items, None)
            assert found == {InferenceError.__name__: len(items)}
        assert answers(cpu, "demo", items, expected) == {"right": len(items)}


@pytest.mark.skipif(UNCACHED, reason="without its cache torch's destructors throw")
@pytest.mark.parametrize(
    ("name", "options"),
    [("demo", {}), ("demo-streaming", {}), ("demo-streaming", {"cuda_graphs": True})],
)
def test_a_device_that_breaks_at_any_call(
    cuda: FakeCuda, items: list[Clip], name: str, options: dict[str, Any]
) -> None:
    shortest = min(items, key=lambda item: len(item.samples))
    _ext.keep_slower_graphs(True)
    try:
        with load(name, num_workers=1, **options) as model:
            for _ in range(8):  # what is recorded is recorded
                expected = ask(model, name, shortest)
            calls, answers_in_a_row = 0, 0
            while answers_in_a_row < 3:
                cuda.break_after(calls, ILLEGAL_ADDRESS)
                try:
                    said = ask(model, name, shortest)
                except InferenceError as error:
                    said = str(error)
                finally:
                    cuda.break_devices(0)
                assert said == expected or "CUDA error" in said, calls
                answers_in_a_row = answers_in_a_row + 1 if said == expected else 0
                calls += 1
            assert ask(model, name, shortest) == expected
    finally:
        _ext.keep_slower_graphs(False)
    assert calls > 100


@pytest.mark.skipif(UNCACHED, reason="graphs need torch's cache")
def test_graphs_are_recorded_beside_other_threads(cuda: FakeCuda, items: list[Clip]) -> None:
    """Two devices, recordings beside live streams, models that are closed and opened again."""
    with load("demo-streaming", "cpu") as model:
        live = [ask(model, "demo-streaming", item) for item in items]
    with load("demo", "cpu") as model:
        texts = [ask(model, "demo", item) for item in items]
    _ext.keep_slower_graphs(True)
    replays = cuda.count("replays")
    try:
        for _ in range(3):
            with (
                load("demo", "cuda:0,cuda:1") as offline,
                load("demo-streaming", "cuda:0,cuda:1", cuda_graphs=True) as streaming,
                ThreadPoolExecutor(2) as pool,
            ):
                jobs = [
                    pool.submit(answers, model, name, items * 3, expected * 3)
                    for model, name, expected in (
                        (offline, "demo", texts),
                        (streaming, "demo-streaming", live),
                    )
                ]
                for job in jobs:
                    assert job.result() == {"right": 3 * len(items)}
                assert streaming.stats()["graphs"]["failed"] == 0
    finally:
        _ext.keep_slower_graphs(False)
    assert cuda.count("replays") > replays


def test_models_that_are_opened_again_do_not_add_up(cuda: FakeCuda, items: list[Clip]) -> None:
    def held() -> int:
        with load("demo") as model:
            answers(model, "demo", items, None)
        gc.collect()
        return torch.cuda.memory_allocated(0)

    first = held()
    # Workers and handles of cuBLAS in any combination, and no more of them.
    assert max(held() for _ in range(10)) - first <= 4 * SCRATCH


def test_a_batch_waits_for_its_results_alone(cuda: FakeCuda, items: list[Clip]) -> None:
    whole = ("waits for a device", "waits for a default stream", "copies host to device, pageable")
    with load("demo") as model, load("demo-streaming") as streaming:
        answers(model, "demo", items, None)
        answers(streaming, "demo-streaming", items, None)
        before = [cuda.count(what) for what in whole]
        answers(model, "demo", items, None)
        answers(streaming, "demo-streaming", items, None)
        assert [cuda.count(what) for what in whole] == before
