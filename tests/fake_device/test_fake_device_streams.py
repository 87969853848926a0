"""The fake accelerator finds streams that do not wait, and memory that is used again too early."""

from __future__ import annotations

import gc
from functools import partial

import pytest
import torch
from torch import Tensor

from support import fakegpu
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE, on_stream


def pinned(*sizes: int, value: float = 1.0) -> Tensor:
    return torch.full(sizes, value, pin_memory=True)


def broken(values: Tensor) -> bool:
    """Whether there is poison in it."""
    return bool(torch.isnan(values).any())


# --- streams -------------------------------------------------------------------------------------


@on_fake_device
def test_streams_of_the_pool_differ() -> None:
    streams = {torch.Stream(HERE).stream_id for _ in range(16)}
    assert len(streams) == 16
    assert 0 not in streams, "the default stream is not of the pool"


@pytest.mark.parametrize("wait", [False, True])
@on_fake_device
def test_another_stream_must_wait(wait: bool) -> None:
    x = pinned(4).to(HERE, non_blocking=True)
    side = torch.Stream(HERE)
    if wait:
        event = torch.Event(HERE)
        event.record(torch.accelerator.current_stream(HERE))
        side.wait_event(event)
    y = on_stream(lambda: x + 1, side)
    races = fakegpu.take_races()
    if wait:
        assert races == []
    else:
        assert any("h2d_pinned_non_blocking wrote" in race for race in races), races
    torch.accelerator.synchronize(HERE)
    assert broken(y.cpu()) is not wait
    fakegpu.take_races()  # of y, read on the default stream


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("reads", [False, True])
@on_fake_device
def test_rows_are_told_apart(reads: bool, same: bool) -> None:
    """Two streams may use rows of one tensor, each its own."""
    slab = torch.zeros(2, 8, 4, device=HERE)
    lists = [torch.tensor(rows).to(HERE) for rows in ([1, 2], [2, 5] if same else [4, 5])]
    values = torch.ones(2, 2, 4, device=HERE)
    torch.accelerator.synchronize(HERE)
    one, other = torch.Stream(HERE), torch.Stream(HERE)
    on_stream(lambda: slab.index_copy_(1, lists[0], values), one)
    if reads:
        on_stream(lambda: slab.index_select(1, lists[1]), other)
    else:
        on_stream(lambda: slab.index_copy_(1, lists[1], values), other)
    races = fakegpu.take_races()
    assert bool(races) is same, races
    torch.accelerator.synchronize(HERE)
    expected = torch.zeros(2, 8, 4)
    expected[:, [1, 2] if reads else [1, 2, *lists[1].cpu().tolist()]] = 1
    assert torch.equal(slab.cpu(), expected)
    fakegpu.take_races()


@pytest.mark.parametrize("wait", ["event", "stream", "device", None])
@on_fake_device
def test_waits_of_the_host_order_streams(wait: str | None) -> None:
    x = torch.ones(4, device=HERE) * 2
    stream = torch.accelerator.current_stream(HERE)
    if wait == "event":
        event = torch.Event(HERE)
        event.record(stream)
        event.synchronize()
    elif wait == "stream":
        stream.synchronize()
    elif wait == "device":
        torch.accelerator.synchronize(HERE)
    side = torch.Stream(HERE)
    on_stream(lambda: x.cpu(), side)
    assert bool(fakegpu.take_races()) is (wait is None)
    assert fakegpu.counters().get("device_synchronisations", 0) == (wait == "device")


@on_fake_device
def test_an_event_orders_what_was_before_it_only() -> None:
    stream, side = torch.accelerator.current_stream(HERE), torch.Stream(HERE)
    before = torch.ones(4, device=HERE) * 2
    event = torch.Event(HERE)
    event.record(stream)
    after = torch.ones(4, device=HERE) * 3
    side.wait_event(event)
    on_stream(lambda: before.cpu(), side)
    assert fakegpu.take_races() == []
    on_stream(lambda: after.cpu(), side)
    assert fakegpu.take_races()


@on_fake_device
def test_two_readers_and_two_parts_are_no_race() -> None:
    x = torch.ones(8, device=HERE)
    torch.accelerator.synchronize(HERE)
    one, two = torch.Stream(HERE), torch.Stream(HERE)
    on_stream(lambda: x + 1, one)
    on_stream(lambda: x + 1, two)
    assert fakegpu.take_races() == [], "both read"
    torch.accelerator.synchronize(HERE)
    on_stream(lambda: x[:4].zero_(), one)
    on_stream(lambda: x[4:].zero_(), two)
    assert fakegpu.take_races() == [], "each writes its own half"
    on_stream(lambda: x[3:5].zero_(), two)
    assert any("zero_" in race or "fill_" in race for race in fakegpu.take_races())
    torch.accelerator.synchronize(HERE)


# --- memory that is used again -------------------------------------------------------------------


@pytest.mark.parametrize("record", [False, True])
@on_fake_device
def test_memory_of_another_stream_must_be_recorded(record: bool) -> None:
    stream, side = torch.accelerator.current_stream(HERE), torch.Stream(HERE)
    x = torch.ones(1000, device=HERE)
    event = torch.Event(HERE)
    event.record(stream)
    side.wait_event(event)
    late = torch.empty(1000, pin_memory=True)
    on_stream(partial(late.copy_, x, non_blocking=True), side)
    if record:
        x.record_stream(side)
    address = x.data_ptr()
    del x
    other = torch.zeros(1000, device=HERE)
    assert (other.data_ptr() == address) is not record
    side.synchronize()
    assert bool(late.eq(1).all()) is record, "the memory was used again before it was read"
    races = fakegpu.take_races()
    assert any("was freed while" in race for race in races) is not record, races
    del other
    if record:  # and once the other stream is done, it comes back
        again = [torch.zeros(1000, device=HERE) for _ in range(4)]
        assert address in {x.data_ptr() for x in again}


@on_fake_device
def test_bytes_are_counted() -> None:
    gc.collect()
    fakegpu.reset()
    start = fakegpu.counters()["live_bytes"]
    x = torch.ones(1024, device=HERE)
    y = torch.ones(2048, device=HERE)
    del x
    counters = fakegpu.counters()
    assert counters["live_bytes"] - start == 8192
    assert counters["peak_bytes"] - start == 8192 + 4096
    assert fakegpu.counters(1)["allocations"] == 0
    del y
    assert fakegpu.counters()["live_bytes"] == start


# --- memory that runs out ------------------------------------------------------------------------


@on_fake_device
def test_a_limit_of_memory() -> None:
    gc.collect()
    fakegpu.set_limit(fakegpu.counters()["live_bytes"] + 4096)
    x = torch.ones(1024, device=HERE)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        torch.ones(1, device=HERE)
    torch.ones(1024, device=THERE)
    del x
    torch.ones(1024, device=HERE)
    assert fakegpu.counters()["out_of_memory"] == 1
    fakegpu.set_limit(None)
    torch.ones(1 << 20, device=HERE)


@on_fake_device
def test_the_nth_allocation_fails() -> None:
    fakegpu.fail_allocations(after=2, times=2)
    fates = []
    for _ in range(6):
        try:
            torch.empty(1, device=HERE)
            fates.append(True)
        except torch.OutOfMemoryError:
            fates.append(False)
    assert fates == [True, True, False, False, True, True]


@on_fake_device
def test_memory_that_waits_for_a_stream_is_waited_for_before_it_runs_out() -> None:
    gc.collect()
    side = torch.Stream(HERE)
    x = torch.ones(1024, device=HERE)
    torch.accelerator.synchronize(HERE)
    on_stream(partial(torch.add, x, 1), side)
    x.record_stream(side)
    fakegpu.set_limit(fakegpu.counters()["live_bytes"])
    del x
    torch.ones(1024, device=HERE)
    assert fakegpu.counters()["allocator_synchronisations"] == 1
