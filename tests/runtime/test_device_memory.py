"""Memory of accelerators: how batches get there, and what happens when it runs out."""

from __future__ import annotations

import contextlib
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from safeasr import AutoModel, OutOfMemoryError, _ext
from support import fakegpu
from support.audio import speech
from support.cases import FamilyCase, export_all, live_answers, of_all, said
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE
from support.programs import Doubler, save

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")

CLIPS = [speech(1.0 + 0.3 * seed, seed=seed) for seed in range(12)]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return export_all(tmp_path_factory.mktemp)


def load(bundle: Path, device: str = HERE, **options: Any) -> AutoModel:
    return AutoModel(str(bundle), device=device, disable_pbar=True, **options)


def live_bytes() -> int:
    gc.collect()
    return fakegpu.counters()["live_bytes"]


def in_company(model: AutoModel, expected: list[str]) -> None:
    """All clips at once, so that they meet in batches."""
    begun = threading.Barrier(len(CLIPS))

    def ask(index: int) -> str:
        begun.wait(60)
        return str(model.generate(CLIPS[index])[0]["text"])

    with ThreadPoolExecutor(len(CLIPS)) as pool:
        assert list(pool.map(ask, range(len(CLIPS)))) == expected


def run_one(model: AutoModel, case: FamilyCase) -> None:
    """A request, or a stream of a few steps."""
    if case.calls:
        model.generate(case.given(CLIPS[0]), **case.calls[0])
    else:
        assert case.live is not None
        live_answers(model, case.live(1)[0])


@of_all()
@on_fake_device
def test_a_batch_waits_for_nothing_but_its_results(
    bundles: dict[str, Path], case: FamilyCase
) -> None:
    """Copies go through pinned memory, none is waited for by itself, no size needs a wait."""
    with load(bundles[case.name], num_workers=1) as model:
        run_one(model, case)  # what is made once is made
        fakegpu.reset()
        run_one(model, case)
        counters = fakegpu.counters()
    unwanted = {
        name: counters[name]
        for name in (
            "h2d_pageable_blocking", "h2d_pageable_non_blocking", "h2d_pinned_blocking",
            "d2h_pageable_blocking", "d2h_pageable_non_blocking", "d2h_pinned_blocking",
            "scalars_read", "implicit_synchronisations", "device_synchronisations",
        )
        if counters.get(name)
    }  # fmt: skip
    assert not unwanted, unwanted
    assert counters["h2d_pinned_non_blocking"] > 0
    assert counters["d2h_pinned_non_blocking"] > 0


@on_fake_device
def test_a_batch_that_does_not_fit_is_halved(bundles: dict[str, Path]) -> None:
    with load(bundles["paraformer"], "cpu", num_workers=1) as model:
        expected = [model.generate(clip)[0]["text"] for clip in CLIPS]
    with load(bundles["paraformer"], num_workers=1, max_wait_ms=200) as model:
        start = live_bytes()
        fakegpu.reset()
        model.generate(CLIPS[-1])
        most = fakegpu.counters()["peak_bytes"] - start
        in_company(model, expected)
        assert model.stats()["halved"] == 0
        assert fakegpu.counters()["peak_bytes"] - start > 2 * most, "there was nothing to halve"
        fakegpu.set_limit(start + most + most // 2)
        in_company(model, expected)
        stats = model.stats()
        assert stats["halved"] > 0
        assert stats["failed"] == 0
        # And one that does not fit by itself fails by itself, however often.
        fakegpu.set_limit(start + most // 8)
        for _ in range(2):
            with pytest.raises(OutOfMemoryError):
                model.generate(CLIPS[-1])
        fakegpu.set_limit(None)
        in_company(model, expected)
        assert live_bytes() <= start + most // 8, "failures keep memory"


@on_fake_device
def test_only_what_does_not_fit_fails(tmp_path: Path) -> None:
    engine = _ext.Engine(num_workers=1, queue_size=64, device=HERE)
    program = _ext.Program.load(save(Doubler(), tmp_path / "doubler.ts"), device=HERE)
    limits = _ext.BatchLimits(max_requests=8, max_cost=10**9, max_padding=1e9, max_wait_ms=100)
    runner = _ext.TensorRunner(program, limits)
    fakegpu.set_limit(live_bytes() + (1 << 20))
    sizes = [10, 20, 500_000, 30, 5, 700_000, 60, 7]
    arrays = [np.full((size, 1), i, np.float32) for i, size in enumerate(sizes)]
    tickets = [engine.submit_tensor(runner, array) for array in arrays]
    for size, array, ticket in zip(sizes, arrays, tickets, strict=True):
        assert ticket.wait(60)
        if size > 100_000:
            with pytest.raises(OutOfMemoryError):
                ticket.get()
        else:
            assert (ticket.get()[0][:size] == 2 * array).all()
    engine.close()


@of_all()
@on_fake_device
@pytest.mark.slow
def test_any_allocation_may_fail(bundles: dict[str, Path], case: FamilyCase) -> None:
    """A failure is typed, leaves no memory behind, and changes no later answer."""

    def ask(model: AutoModel) -> str:
        if case.calls:
            return said(model.generate(case.given(CLIPS[3]))[0])
        return said(model.generate(CLIPS[3], cache={}, is_final=True)[0])

    with load(bundles[case.name], num_workers=1) as model:
        expected = ask(model)
        start = live_bytes()
        fakegpu.reset()
        assert ask(model) == expected
        count = fakegpu.counters()["allocations"]
        failures = 0
        for after in sorted({*range(0, count, max(1, count // 16)), count - 1}):
            # More than a second try can outlive.
            fakegpu.fail_allocations(after=after, times=10 * count)
            try:
                assert ask(model) == expected
            except OutOfMemoryError:
                failures += 1
            fakegpu.reset()
            fakegpu.fail_allocations(after=after)
            with contextlib.suppress(OutOfMemoryError):  # a single failure may be survived
                assert ask(model) == expected
            fakegpu.reset()
            assert ask(model) == expected
        assert failures > 8
        assert live_bytes() == start


class Keeper(nn.Module):
    """Has weights of a size that is easily seen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1 << 18))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        return values * self.weight[:1]


@on_fake_device
def test_loading_that_runs_out_of_memory(tmp_path: Path) -> None:
    path = save(Keeper(), tmp_path / "keeper.ts")
    start = live_bytes()
    fakegpu.set_limit(start + (1 << 19))
    with pytest.raises((MemoryError, RuntimeError, ValueError), match="out of memory"):
        _ext.Program.load(path, device=HERE)
    fakegpu.set_limit(None)
    assert live_bytes() == start
    program = _ext.Program.load(path, device=HERE)
    assert live_bytes() - start == 1 << 20, "one copy of the weights"
    del program
    assert live_bytes() == start


@on_fake_device
def test_streams_that_come_get_smaller_slabs_where_memory_is_short() -> None:
    pool = _ext.SlabPool([4], 256, 8)
    one = 4 * 8 * 256 * 4  # bytes of a stream
    slots = [pool.take(8, HERE) for _ in range(32)]
    assert pool.usage() == (3, 32, 32)
    # Room for eight more, with the rows of a slab that are nobody's, and not for 32 at once.
    fakegpu.set_limit(live_bytes() + 16 * one)
    slots += [pool.take(8, HERE) for _ in range(8)]
    assert pool.usage() == (4, 40, 40)
    failed = fakegpu.counters()["out_of_memory"]
    assert failed == 2, "32 and 16 were tried, and no more than once"
    fakegpu.set_limit(live_bytes() + one)
    with pytest.raises(Exception, match="out of memory"):
        pool.take(8, HERE)
    assert pool.usage() == (4, 40, 40)
    # It needs no more than that others have ended; and then slabs are large again.
    del slots[0]
    slots.append(pool.take(8, HERE))
    fakegpu.set_limit(None)
    slots += [pool.take(8, HERE) for _ in range(9)]
    slots += [pool.take(8, HERE) for _ in range(17)]
    slabs, total, taken = pool.usage()
    assert (slabs, taken) == (7, 66)
    assert total == 40 + 8 + 16 + 32
    for value, slot in enumerate(slots):
        slot.fill(value)
    del slot
    assert [slot.total() for slot in slots] == [value * one / 4 for value in range(66)]


@on_fake_device
def test_one_device_short_of_memory_is_no_measure_for_the_other() -> None:
    pool = _ext.SlabPool([4], 256, 8)
    here = [pool.take(8, HERE) for _ in range(8)]
    there = [pool.take(8, THERE) for _ in range(32)]
    assert pool.usage() == (4, 8 + 32, 40)
    fakegpu.set_limit(live_bytes())
    with pytest.raises(Exception, match="out of memory"):
        pool.take(8, HERE)
    fakegpu.set_limit(None)
    there.append(pool.take(8, THERE))
    assert pool.usage() == (5, 8 + 64, 41), "it grew by what it had"
    del here, there
