"""On a CUDA device: the CPU's answers, from many threads, in streams, and without enough memory.

Skipped where torch sees no CUDA device. ``SAFEASR_TEST_DEVICE`` names another device to run what is
not CUDA's alone on ("cpu": then the tests prove themselves, not a device).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AudioError, AutoModel, OutOfMemoryError, _ext
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.audio.noise import noise_clips
from safeasr.bench.local import measure_calls
from safeasr.nets.precision import PRECISIONS
from support.paths import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks is not installed
from benchmarks.cuda.equality import (
    EQUAL_TOKENS,
    ask_segments,
    ask_streams,
    ask_texts,
    compare,
)
from benchmarks.cuda.seeded import model_dir

DEVICE = os.environ.get("SAFEASR_TEST_DEVICE", "cuda:0")
THREADS = 64

pytestmark = [] if "SAFEASR_TEST_DEVICE" in os.environ else pytest.mark.cuda
only_cuda = pytest.mark.skipif(not DEVICE.startswith("cuda"), reason="about CUDA's allocator")


def load(model: Path | str = "demo", device: str = DEVICE, **options: Any) -> AutoModel:
    return AutoModel(str(model), device=device, disable_pbar=True, **{"num_workers": 4, **options})


@pytest.fixture(scope="module")
def items() -> list[Clip]:
    return embedded_clips()


@pytest.fixture(scope="module")
def expected(items: list[Clip]) -> dict[str, set[str]]:
    with load(device="cpu", num_workers=2) as model:
        return ask_texts(model, items, 2)


def test_a_model_runs_where_it_was_told() -> None:
    with load() as model:
        assert [one["device"] for one in model.stats()["devices"]] == [DEVICE]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_default_is_the_cuda_device() -> None:
    with load(device=None) as model:  # type: ignore[arg-type]
        assert model.stats()["devices"][0]["device"].startswith("cuda")


def test_texts_are_the_cpus_from_many_threads(
    items: list[Clip], expected: dict[str, set[str]]
) -> None:
    with load() as model:
        found = ask_texts(model, items, THREADS)
        stats = model.stats()
    assert found == expected
    assert stats["completed"] == 2 * len(items)
    assert stats["retried_alone"] == 0


@pytest.mark.parametrize(
    ("precision", "option"), [("float16", "fp16"), ("bfloat16", "bf16")], ids=["fp16", "bf16"]
)
def test_narrow_precisions(
    items: list[Clip], expected: dict[str, set[str]], precision: str, option: str
) -> None:
    if precision not in PRECISIONS or (DEVICE == "cpu" and precision == "float16"):
        pytest.skip(f"{precision} is not there on {DEVICE}")
    with load(**{option: True}) as model:
        assert model.precision == precision
        row = compare(ask_texts(model, items, THREADS), expected)
    assert row["equal_tokens"] >= EQUAL_TOKENS[precision]


def test_live_sessions_say_what_they_say_on_the_cpu(items: list[Clip]) -> None:
    with load("demo-streaming", device="cpu") as model:
        exact = ask_streams(model, items, 2)
    with load("demo-streaming") as model:
        found = ask_streams(model, items, THREADS)
    assert found == exact


@pytest.mark.skipif(not _ext.graphs_supported(DEVICE), reason="this build records no graphs")
def test_replayed_steps_say_the_same(items: list[Clip]) -> None:
    with load("demo-streaming", device="cpu") as model:
        exact = ask_streams(model, items, 2)
    _ext.keep_slower_graphs(True)
    try:
        with load("demo-streaming", cuda_graphs=True) as model:
            for _ in range(3):
                assert ask_streams(model, items, THREADS) == exact
            graphs = model.stats()["graphs"]
    finally:
        _ext.keep_slower_graphs(False)
    assert graphs["failed"] == 0
    assert graphs["replayed"] > 0


def test_segments_are_the_cpus(items: list[Clip]) -> None:
    audio = [np.concatenate([one.samples for one in items[i : i + 4]]) for i in range(12)]
    joined = [Clip(str(i), one) for i, one in enumerate(audio)]
    with load("demo-vad", device="cpu") as model:
        exact = ask_segments(model, joined, 2)
    with load("demo-vad") as model:
        assert ask_segments(model, joined, THREADS) == exact


@pytest.mark.parametrize("kind", ["paraformer", "sense-voice"])
def test_random_networks_say_nearly_the_same(kind: str) -> None:
    # Weights at random have no margins: where tokens are equally good, rounding chooses.
    noise, model = noise_clips(24, 1.0, 8.0), model_dir(kind, small=True)
    with load(model, device="cpu") as one:
        exact = ask_texts(one, noise, 2)
    with load(model) as one:
        row = compare(ask_texts(one, noise, THREADS), exact)
    assert row["equal_tokens"] >= 0.99
    assert min(len(texts) for texts in exact.values()) > 0
    assert len({min(texts) for texts in exact.values()}) > 12


def test_times_are_the_cpus(items: list[Clip]) -> None:
    def ask(model: AutoModel) -> list[dict[str, Any]]:
        return [model.generate(one.samples, key="a", pred_timestamp=True)[0] for one in items]

    with load(device="cpu") as model:
        exact = ask(model)
    with load() as model:
        found = ask(model)
    for a, b in zip(found, exact, strict=True):
        assert a["text"] == b["text"]
        spans = np.array(a["timestamp"]) - np.array(b["timestamp"])
        assert np.abs(spans).max(initial=0) <= 20  # ms: a third of a row of the encoder


def test_bad_audio_fails_alone(items: list[Clip], expected: dict[str, set[str]]) -> None:
    wrong = [Clip(f"wrong-{i}", np.full(8000, np.nan, np.float32)) for i in range(8)]
    mixed = [one for pair in zip(items, wrong * 2, strict=True) for one in pair]
    with load() as model:
        found = measure_calls(
            lambda audio: str(model.generate(audio)[0]["text"]), mixed, THREADS, passes=1
        )
    assert found.errors == {AudioError.__name__: len(items)}
    assert found.texts == expected


def test_a_call_does_not_depend_on_the_callers_stream(
    items: list[Clip], expected: dict[str, set[str]]
) -> None:
    if not DEVICE.startswith("cuda"):
        pytest.skip("about CUDA's streams")
    with load() as model, torch.cuda.stream(torch.cuda.Stream(DEVICE)):
        # What the caller's stream has to do holds up nobody, and is not waited for.
        busy = torch.randn(4096, 4096, device=DEVICE)
        for _ in range(50):
            busy = busy @ busy
        assert {model.generate(items[0].samples)[0]["text"]} == expected[items[0].name]


@only_cuda
def test_one_copy_of_the_weights_whatever_the_number_of_workers() -> None:
    def held(workers: int) -> int:
        torch._C._cuda_clearCublasWorkspaces()
        before = torch.cuda.memory_allocated(DEVICE)
        with load(num_workers=workers) as model:
            model.generate(np.zeros(16000, np.float32))
            torch.cuda.synchronize(DEVICE)
            # Scratch memory of the stream that happened to work: 32 MiB on Hopper, for ever.
            torch._C._cuda_clearCublasWorkspaces()
            return torch.cuda.memory_allocated(DEVICE) - before

    one, many = held(1), held(8)
    assert one > 1 << 20
    assert many - one < one / 2


def ask_all(model: AutoModel, items: Sequence[Clip]) -> tuple[int, dict[str, int]]:
    load = measure_calls(
        lambda audio: str(model.generate(audio)[0]["text"]), items, THREADS, passes=1
    )
    return load.run.counts.right, load.errors


@only_cuda
def test_without_memory_for_the_batches_all_is_answered_or_says_so() -> None:
    noise = noise_clips(64, 5.0, 15.0)
    sizes = {"max_batch_size": 256, "max_batch_frames": 100_000}
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    with load(model_dir("paraformer", small=True), **sizes) as model:
        assert ask_all(model, noise) == (64, {})
        torch.cuda.synchronize(DEVICE)
        torch.cuda.empty_cache()
        try:
            room = (torch.cuda.memory_reserved(DEVICE) + (16 << 20)) / total
            torch.cuda.set_per_process_memory_fraction(room, DEVICE)
            answered, errors = ask_all(model, noise)
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, DEVICE)
        assert answered + sum(errors.values()) == 64
        assert set(errors) <= {OutOfMemoryError.__name__}
        assert model.stats()["halved"] + sum(errors.values()) > 0, "the limit was not felt"
        assert ask_all(model, noise) == (64, {})


def test_streams_and_recordings_together_end_once(items: list[Clip]) -> None:
    with load("demo-streaming") as live, load() as model:
        failed: list[str] = []

        def talk(number: int) -> None:
            try:
                wave = items[number % len(items)].samples
                if number % 2:
                    model.generate(wave)
                    return
                stream = live.stream()
                for at in range(0, len(wave), 9600):
                    stream.feed(wave[at : at + 9600], at + 9600 >= len(wave))
            except Exception as error:
                failed.append(repr(error))

        threads = [threading.Thread(target=talk, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        assert failed == []
        for one in (live, model):
            stats = one.stats()
            assert stats["completed"] == stats["submitted"] > 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_devices_share_the_work(items: list[Clip], expected: dict[str, set[str]]) -> None:
    with load(device="cuda:0,cuda:1", max_batch_size=2) as model:
        found = ask_texts(model, items * 4, THREADS)
        shares = {one["device"]: one["completed"] for one in model.stats()["devices"]}
    assert found == expected
    assert set(shares) == {"cuda:0", "cuda:1"}
    assert min(shares.values()) > 0
