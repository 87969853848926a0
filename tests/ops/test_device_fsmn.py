"""The FSMN memory and slabs of rows as devices run them, on CPU tensors."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from safeasr import _ext
from support.ragged import OperatorCount, on_tensor_op_path
from test_chunk_memory import filtered, offsets

remember = torch.ops.safeasr.ragged_memory


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(("kernel", "left"), [(11, 5), (11, 10), (11, 0), (1, 0), (4, 3)])
@pytest.mark.parametrize("counts", [[5, 3, 1, 30, 2], [0, 7, 0], [0], [], [1]], ids=str)
def test_as_the_kernel(counts: list[int], kernel: int, left: int, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(kernel * 10 + left)
    x = torch.randn(sum(counts) + 2, 48, generator=g).to(dtype)[:, 24:]
    taps = torch.randn(kernel, 24, generator=g)
    for residual in (None, torch.randn(len(x), 24, generator=g)):
        arguments = (taps, left, offsets(counts), residual, [], [], 0)
        expected = remember(x.float(), *arguments)
        with on_tensor_op_path():
            got = remember(x, *arguments)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=2e-5)
        assert not got[sum(counts) :].any()


@pytest.mark.parametrize("kernel", [11, 3, 2, 1])
def test_the_past_of_all_streams_in_one_tensor(kernel: int) -> None:
    """Step by step as all at once; no row of a neighbour, and former steps stay as they were."""
    g = torch.Generator().manual_seed(kernel)
    size, layers, kept = 20, 2, kernel - 1
    waves = [torch.randn(n, size, generator=g) for n in (40, 25, 9)]
    taps = torch.randn(kernel, size, generator=g)
    past = torch.zeros(layers, len(waves) * kept, size)
    seen = [0, 0, 0]
    got: list[list[Tensor]] = [[], [], []]
    for step in range(12):
        wanted = torch.randint(0, 7, (3,), generator=g).tolist() if step < 11 else [40] * 3
        counts = [min(n, len(w) - s) for n, w, s in zip(wanted, waves, seen, strict=True)]
        x = torch.cat([w[s : s + n] for w, s, n in zip(waves, seen, counts, strict=True)])
        following = torch.full_like(past, float("nan"))
        before = past.clone()
        y = remember(x, taps, kept, offsets(counts), x, [past], [following], 1)
        assert torch.equal(before, past)
        assert following[0].isnan().all()  # the other layer's is not this call's
        following[0] = 0
        for i, part in enumerate(y.split(counts)):
            got[i].append(part)
        past, seen = following, [s + n for s, n in zip(seen, counts, strict=True)]
    for wave, parts in zip(waves, got, strict=True):
        expected = filtered(wave, taps, kept, wave)
        torch.testing.assert_close(torch.cat(parts), expected, rtol=1e-5, atol=2e-5)


def test_a_past_of_the_wrong_size() -> None:
    x, taps = torch.zeros(6, 4), torch.zeros(3, 4)
    good, short = torch.zeros(1, 6, 4), torch.zeros(1, 5, 4)
    ends = offsets([1, 2, 3])
    assert remember(x, taps, 2, ends, None, [good], [good.clone()], 0).shape == (6, 4)
    for past, following in ((short, good), (good, short)):
        with pytest.raises(RuntimeError, match="or for all"):
            remember(x, taps, 2, ends, None, [past], [following], 0)


def calls(streams: int, *, past: bool) -> int:
    lengths = [3 + i % 5 for i in range(streams)]
    x, taps, ends = torch.randn(sum(lengths), 16), torch.randn(5, 16), offsets(lengths)
    state = [torch.zeros(1, streams * 4, 16)] if past else []
    arguments = (x, taps, 4 if past else 2, ends, x, state, [s.clone() for s in state], 0)
    remember(*arguments)
    with OperatorCount() as count:
        remember(*arguments)
    return count.total


@pytest.mark.parametrize("past", [False, True])
def test_calls_do_not_grow_with_streams(past: bool, tensor_op_path: None) -> None:
    few = calls(5, past=past)
    assert few <= 12
    assert calls(300, past=past) == few


def test_slots_are_given_back_and_taken_again() -> None:
    pool = _ext.SlabPool([2], 4, 3)
    slots = [pool.take(8) for _ in range(3)]
    assert pool.usage() == (1, 3, 3)
    assert sorted(slot.first for slot in slots) == [0, 8, 16]
    for value, slot in enumerate(slots, 1):
        slot.fill(value)
    assert [slot.total() for slot in slots] == [value * 2 * 8 * 4 for value in (1, 2, 3)]
    freed = slots.pop(1).first
    assert pool.usage() == (1, 3, 2)
    again = pool.take(8)
    assert again.first == freed
    # A copy has what the slot holds, and rows of its own.
    copy = slots[0].copy()
    assert pool.usage() == (2, 6, 4)
    assert copy.total() == slots[0].total()
    copy.fill(9)
    assert slots[0].total() == 64


def test_slabs_grow_and_stay_where_they_are() -> None:
    """Each new slab is as large as all before, so a step reads from few of them."""
    pool = _ext.SlabPool([], 4, 2)
    slots = [pool.take(2) for _ in range(33)]
    assert pool.usage() == (6, 64, 33)
    assert len({(slot.slab, slot.first) for slot in slots}) == 33
    for value, slot in enumerate(slots):
        slot.fill(value)
    del slot
    assert [slot.total() for slot in slots] == [value * 8 for value in range(33)]
    other = pool.take(3)  # of another capacity: another slab
    assert pool.usage() == (7, 66, 34)
    held = slots[0]
    slots.clear()
    del other
    assert pool.usage() == (7, 66, 1)
    # The oldest slab is filled up first, so that streams stand close together.
    first = [pool.take(2) for _ in range(2)]
    assert held.slab in {slot.slab for slot in first}


def test_a_pool_lives_as_long_as_its_slots() -> None:
    slot = _ext.SlabPool([], 4, 2).take(2)
    slot.fill(3)
    assert slot.copy().total() == 24


def test_slots_taken_from_many_threads() -> None:
    pool = _ext.SlabPool([], 8, 1)
    wrong: list[tuple[int, float]] = []

    def work(number: int) -> None:
        for turn in range(200):
            slots = [pool.take(1 + number % 2) for _ in range(1 + turn % 5)]
            for i, slot in enumerate(slots):
                slot.fill(number * 100 + i)
            for i, slot in enumerate(slots):
                if slot.total() != (number * 100 + i) * 8 * slot.capacity:
                    wrong.append((number, slot.total()))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.usage()[2] == 0
