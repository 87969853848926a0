"""The engine on accelerators: the CPU's answers, from any thread, with nothing in a race.

The accelerator is made up (`support.device_process`): tests also fail for a stream that does not
wait for another, and for memory that is used again too early.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from safeasr.families.terms import Terms
from support import fakegpu
from support.audio import Samples, speech
from support.cases import (
    CASES,
    FamilyCase,
    export_all,
    live_answers,
    of_calls,
    of_streams,
    plain,
)
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")

BOTH = f"{HERE},{THERE}"
#: In seconds: from less than a frame of the network to many.
LENGTHS = [0.05, 0.2, 0.7, 1.1, 1.9, 2.4, 3.3, 5.2]
CLIPS = [speech(seconds, seed=seed) for seed, seconds in enumerate(LENGTHS * 2)]
Bundles = dict[str, Path]
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """One small model of each family, exported."""
    return export_all(tmp_path_factory.mktemp)


def load(bundle: Path, device: str = HERE, **options: Any) -> AutoModel:
    return AutoModel(str(bundle), device=device, disable_pbar=True, **options)


def at_once(work: Callable[[int], Any], count: int, threads: int = 16) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(count)))


def answer(model: AutoModel, job: tuple[Samples, dict[str, Any]]) -> dict[str, Any]:
    clip, options = job
    result: dict[str, Any] = plain(model.generate(clip, key="k", **options)[0])
    return result


def answers_of_the_cpu(bundle: Path, jobs: Sequence[tuple[Samples, dict[str, Any]]]) -> list[Any]:
    with load(bundle, "cpu", num_workers=1) as model:
        answers = [answer(model, job) for job in jobs]
    assert len({str(one) for one in answers}) > len(jobs) / 4, "answers must tell clips apart"
    return answers


def check_nobody_waited_for_a_device() -> None:
    for device in range(fakegpu.DEVICE_COUNT):
        assert fakegpu.counters(device).get("device_synchronisations", 0) == 0


def streams_used(device: int = 0) -> int:
    """Streams that ran anything; the default one must not be among them."""
    kernels = fakegpu.kernels(device)
    assert kernels[0] == 0, "batches ran on the default stream"
    return sum(count > 0 for count in kernels)


# --- recordings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
@of_calls()
@on_fake_device
@pytest.mark.slow
def test_recordings_from_16_threads(bundles: Bundles, case: FamilyCase, workers: int) -> None:
    jobs = case.jobs()
    expected = answers_of_the_cpu(bundles[case.name], jobs)
    with load(bundles[case.name], num_workers=workers, max_wait_ms=4) as model:
        fakegpu.reset()
        for _ in range(2):
            got = at_once(lambda i: answer(model, jobs[i]), len(jobs))
            assert got == expected
        stats = model.stats()
    assert stats["failed"] == stats["retried_alone"] == 0
    assert stats["batches"] < stats["batched_requests"], "nobody shared a batch"
    assert 1 <= streams_used() <= workers
    check_nobody_waited_for_a_device()


@on_fake_device
def test_each_worker_has_a_stream(bundles: Bundles) -> None:
    with load(bundles["paraformer"], num_workers=4, max_batch_size=1) as model:
        fakegpu.reset()
        at_once(lambda i: model.generate(CLIPS[i % len(CLIPS)]), 64)
        assert 2 <= streams_used() <= 4


@on_fake_device
def test_what_cif_weighs_is_what_it_weighs_on_the_cpu(bundles: Bundles) -> None:
    """Numbers of the encoder and the predictor, below the text."""

    def weights(device: str) -> list[np.ndarray]:
        with load(bundles["paraformer"], device, num_workers=2, max_wait_ms=4) as model:
            recognizer, engine = model._recognizer, model._engine

            def ask(index: int) -> np.ndarray:
                options = {"output_timestamp": True}
                ticket = recognizer.submit(engine, CLIPS[index], options, Terms())
                assert ticket.wait(60)
                return np.asarray(ticket.get().get("alphas", []))

            return at_once(ask, len(CLIPS))

    on_cpu, on_device = weights("cpu"), weights(HERE)
    assert max(map(len, on_cpu)) > 50
    for wanted, got in zip(on_cpu, on_device, strict=True):
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max(initial=0) < 1e-4


@on_fake_device
def test_recordings_in_segments(bundles: Bundles) -> None:
    """Detector and recogniser share the workers and the device."""
    clips = [conversation(seconds, seed) for seed, seconds in enumerate([6, 15, 25])]
    answers = []
    for device in ("cpu", HERE):
        model = load(
            bundles["paraformer"], device, vad_model=str(bundles["fsmn_vad"]), num_workers=3
        )  # fmt: skip
        with model:
            answers.append(at_once(lambda i, m=model: m.generate(clips[i % 3], key="k"), 12))
    assert answers[0] == answers[1]
    assert all(one[0]["text"] for one in answers[0])


# --- live streams --------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "device"), [(1, HERE), (4, HERE), (2, BOTH)])
@of_streams()
@on_fake_device
def test_live_streams_of_different_options(
    bundles: Bundles, case: FamilyCase, workers: int, device: str
) -> None:
    """Steps of a stream go to whichever worker is free; its memory goes with it."""
    assert case.live is not None
    jobs = case.live(12)
    with load(bundles[case.name], "cpu", num_workers=1) as model:
        expected = [live_answers(model, job) for job in jobs]
    assert len({str(texts) for texts in expected}) == len(jobs)
    with load(bundles[case.name], device, num_workers=workers, max_wait_ms=2) as model:
        fakegpu.reset()
        for _ in range(2):
            got = at_once(lambda i: live_answers(model, jobs[i]), len(jobs), threads=12)
            assert got == expected
        stats = model.stats()
    assert stats["failed"] == stats["retried_alone"] == 0
    for index in range(len(device.split(","))):
        assert 1 <= streams_used(index) <= workers
    check_nobody_waited_for_a_device()


# --- devices -------------------------------------------------------------------------------------


@on_fake_device
def test_another_device_than_the_first(bundles: Bundles) -> None:
    jobs = BY_NAME["paraformer"].jobs()
    expected = answers_of_the_cpu(bundles["paraformer"], jobs)
    with load(bundles["paraformer"], THERE, num_workers=2) as model:
        assert at_once(lambda i: answer(model, jobs[i]), len(jobs)) == expected
    assert fakegpu.counters(0)["allocations"] == 0, "something went to the first device"
    assert sum(fakegpu.kernels(0)) == 0
    assert sum(fakegpu.kernels(1)) > 0


@of_calls()
@on_fake_device
@pytest.mark.slow
def test_two_devices_with_a_copy_of_the_weights_each(bundles: Bundles, case: FamilyCase) -> None:
    jobs = case.jobs()
    expected = answers_of_the_cpu(bundles[case.name], jobs)
    gc.collect()
    before = [fakegpu.counters(device)["live_bytes"] for device in range(2)]

    def weights() -> list[int]:
        return [fakegpu.counters(device)["live_bytes"] - before[device] for device in range(2)]

    with load(bundles[case.name], num_workers=1):
        alone = weights()
    assert alone[0] > 0
    assert alone[1] == 0
    gc.collect()
    with load(bundles[case.name], BOTH, num_workers=2, max_batch_size=4) as model:
        assert weights() == [alone[0], alone[0]]
        fakegpu.reset()
        assert at_once(lambda i, m=model: answer(m, jobs[i]), len(jobs)) == expected
        assert streams_used(0) >= 1
        assert streams_used(1) >= 1
    del model
    gc.collect()
    assert weights() == [0, 0], "closed and dropped, and something is left"
    check_nobody_waited_for_a_device()
