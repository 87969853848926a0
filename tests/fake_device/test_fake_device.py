"""The fake accelerator: it computes as the CPU does, and its copies are as late as they may be.

Each mistake stands beside the right way to do the same, so that a test fails if the device finds
nothing, and also if it finds everything. Streams and memory: test_fake_device_streams.py.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from support import fakegpu
from support.device_process import DeviceProcess, on_fake_device
from support.fakegpu import HERE, THERE, on_stream


def pinned(*sizes: int, value: float = 1.0) -> Tensor:
    return torch.full(sizes, value, pin_memory=True)


def broken(values: Tensor) -> bool:
    """Whether there is poison in it."""
    return bool(torch.isnan(values).any())


# --- it is a device ------------------------------------------------------------------------------


@on_fake_device
def test_torch_takes_it_for_the_accelerator() -> None:
    assert torch.accelerator.is_available()
    assert torch.accelerator.device_count() == 2
    assert torch.accelerator.current_accelerator() == torch.device("fakegpu")
    assert torch.device(THERE).index == 1
    assert torch.ones(2, device=THERE).device == torch.device(THERE)
    with pytest.raises(RuntimeError):
        torch.ones(2, device="fakegpu:2")


OPERATORS: dict[str, Callable[[Tensor], Tensor | tuple[Tensor, ...]]] = {
    "linear": lambda x: F.linear(x, x, x[:, 0]),
    "layer_norm": lambda x: F.layer_norm(x, (x.size(1),)),
    "softmax": lambda x: x.softmax(-1),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]),
    "convolution": lambda x: F.conv1d(x[None], x[:, None, :3], groups=x.size(0), padding=1),
    "cat": lambda x: torch.cat([x, x[:2]]),
    "views": lambda x: x[1:3, ::2].transpose(0, 1),
    "unbind": lambda x: x.reshape(-1).view(2, -1).unbind(0),
    "split": lambda x: x.split(2),
    "several results": lambda x: x.topk(2),
    "indices": lambda x: x[torch.tensor([2, 0]).to(x.device)],
    "indices on the CPU": lambda x: x[torch.tensor([2, 0])],
    "index_put": lambda x: x.clone().index_put_((torch.tensor([0]).to(x.device),), x[1]),
    "sizes by value": lambda x: x.nonzero(),
    "factories": lambda x: torch.zeros(3, device=x.device) + torch.arange(3, device=x.device),
    "types": lambda x: x.bfloat16().float(),
    "in place": lambda x: x.clone().add_(1).masked_fill_(x > 0, 3),
    "resize": lambda x: torch.empty(0, device=x.device).resize_(3).fill_(2),
    "out": lambda x: torch.add(x, x, out=torch.empty(0, device=x.device)),
    "scalar": lambda x: x * x.sum().item(),
    "pad": lambda x: F.pad(x, (0, 1, 0, 2)),
    "scan": lambda x: x.cumsum(0),
}


@pytest.mark.parametrize("name", list(OPERATORS))
@on_fake_device
def test_operators_compute_what_the_cpu_computes(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 6)
    for inference in (False, True):
        with torch.inference_mode(inference):
            wanted, got = OPERATORS[name](x), OPERATORS[name](x.to(HERE))
            if isinstance(wanted, Tensor):
                wanted, got = (wanted,), (got,)  # type: ignore[assignment]
            for one, other in zip(wanted, got, strict=True):
                assert other.device == torch.device(HERE)
                torch.testing.assert_close(other.cpu(), one, rtol=1e-5, atol=1e-6)


@on_fake_device
def test_memory_of_the_devices_and_of_the_host_is_apart() -> None:
    x = torch.ones(3)
    here, there = x.to(HERE), x.to(THERE)
    x.fill_(2)
    there.add_(3)
    assert here.cpu().tolist() == [1, 1, 1]
    assert there.cpu().tolist() == [4, 4, 4]
    assert here.to(THERE).add_(there).cpu().tolist() == [5, 5, 5]


@pytest.mark.parametrize("other", ["cpu", THERE])
@on_fake_device
def test_devices_do_not_mix(other: str) -> None:
    with pytest.raises(RuntimeError, match=r"device|tensors of"):
        torch.ones(3, device=HERE) + torch.ones(3, device=other)
    assert (torch.ones(3, device=HERE) + torch.ones(())).cpu().tolist() == [2, 2, 2]


@on_fake_device
def test_views_share_memory() -> None:
    x = torch.zeros(4, device=HERE)
    before = fakegpu.counters()
    x[1:3].view(2, 1).fill_(7)
    after = fakegpu.counters()
    assert x.cpu().tolist() == [0, 7, 7, 0]
    assert after["allocations"] == before["allocations"]
    assert after["kernels"] == before["kernels"] + 1, "a view is no kernel"


@on_fake_device
def test_fresh_memory_is_poisoned() -> None:
    assert broken(torch.empty(8, device=HERE).cpu())
    assert broken(torch.empty(8, pin_memory=True))
    x = torch.ones(8, device=HERE)
    del x
    assert torch.isnan(torch.empty(8, device=HERE).cpu()).all(), "used before, and poisoned again"


# --- copies --------------------------------------------------------------------------------------


@on_fake_device
def test_reading_before_waiting_finds_poison() -> None:
    x = torch.ones(4, device=HERE)
    late = pinned(4)
    late.copy_(x, non_blocking=True)
    assert broken(late)
    torch.accelerator.current_stream(HERE).synchronize()
    assert late.tolist() == [1, 1, 1, 1]
    assert x.cpu().tolist() == [1, 1, 1, 1], "a blocking copy waits by itself"
    assert fakegpu.counters()["d2h_pinned_non_blocking"] == 1
    assert fakegpu.counters()["d2h_pageable_blocking"] == 1


@on_fake_device
def test_an_event_brings_what_was_before_it_and_no_more() -> None:
    x = torch.ones(4, device=HERE)
    first, second = pinned(4), pinned(4)
    first.copy_(x, non_blocking=True)
    event = torch.Event(HERE)
    event.record(torch.accelerator.current_stream(HERE))
    second.copy_(x, non_blocking=True)
    event.synchronize()
    assert not broken(first)
    assert broken(second)
    assert fakegpu.counters()["event_synchronisations"] == 1


@on_fake_device
def test_an_event_is_over_only_after_a_second_look() -> None:
    late = pinned(4)
    late.copy_(torch.ones(4, device=HERE), non_blocking=True)
    event = torch.Event(HERE)
    event.record(torch.accelerator.current_stream(HERE))
    assert not event.query()
    assert broken(late)
    assert event.query()
    assert not broken(late)


@on_fake_device
def test_overwriting_what_is_still_to_be_sent_sends_the_wrong_numbers() -> None:
    source = pinned(4)
    wrong = source.to(HERE, non_blocking=True)
    source.fill_(2)
    assert wrong.cpu().tolist() == [2, 2, 2, 2]
    right = source.to(HERE, non_blocking=True)
    torch.accelerator.current_stream(HERE).synchronize()
    source.fill_(3)
    assert right.cpu().tolist() == [2, 2, 2, 2]


@on_fake_device
def test_pageable_memory_is_taken_when_it_is_sent() -> None:
    source = torch.ones(4)
    sent = source.to(HERE, non_blocking=True)
    source.fill_(2)
    assert sent.cpu().tolist() == [1, 1, 1, 1]
    assert fakegpu.counters()["h2d_pageable_non_blocking"] == 1


@on_fake_device
def test_memory_of_a_queued_copy_may_be_dropped() -> None:
    sent = [pinned(64, value=n).to(HERE, non_blocking=True) for n in range(8)]
    received = [torch.empty(64, pin_memory=True).copy_(x, non_blocking=True) for x in sent]
    del sent
    others = [torch.full((64,), 9.0, device=HERE) for _ in range(8)]
    torch.accelerator.current_stream(HERE).synchronize()
    assert [int(x[0]) for x in received] == list(range(8))
    assert all(x.cpu().eq(9).all() for x in others)


@on_fake_device
def test_a_kernel_sees_what_its_stream_has_queued() -> None:
    x = pinned(4).to(HERE, non_blocking=True)
    y = x + 1
    assert y.cpu().tolist() == [2, 2, 2, 2]
    late = torch.empty(4, pin_memory=True).copy_(x, non_blocking=True)
    x.fill_(5)  # after the copy, in the order of the stream
    torch.accelerator.current_stream(HERE).synchronize()
    assert late.tolist() == [1, 1, 1, 1]


# --- the process that runs these tests -----------------------------------------------------------


@on_fake_device
def _that_races() -> None:
    x = torch.ones(4, device=HERE)
    on_stream(lambda: x + 1, torch.Stream(HERE))


@on_fake_device
def _that_fails() -> None:
    raise AssertionError("told you so")


@on_fake_device
def _that_dies() -> None:
    import os

    os._exit(3)


@pytest.mark.parametrize(
    ("test", "message"),
    [(_that_races, "races on the device"), (_that_fails, "told you so"), (_that_dies, "with 3")],
)
def test_failures_arrive(test: Callable[[], None], message: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=message):
        test()
    DeviceProcess.shared()  # runs, or is made anew
    test_torch_takes_it_for_the_accelerator()


def test_this_process_has_no_fake_device() -> None:
    test_torch_takes_it_for_the_accelerator()
    with pytest.raises(RuntimeError):
        torch.ones(1, device="fakegpu")
