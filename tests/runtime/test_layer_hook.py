"""Between the layers of every network: batches that nobody wants end, and free cores are shared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from safeasr import CancelledError, DeadlineExceededError, EngineClosedError, _ext
from support import fakegpu  # noqa: F401  (the process of the fake device imports it too)
from support.device_process import on_fake_device
from support.fakegpu import HERE
from support.programs import save

SIZE = 16
LAYERS = 400
SLEEP_MS = 5  # so all layers take two seconds


class Deep(nn.Module):
    """Layers without attention, of which each is watched."""

    def __init__(self, layers: int = LAYERS) -> None:
        super().__init__()
        self.layer = nn.Linear(SIZE, SIZE)
        self.layers = layers

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        for _ in range(self.layers):
            rows = torch.ops.safeasr.watched_layer(torch.tanh(self.layer(rows)))
        return rows


class Convolutions(nn.Module):
    """The same of convolutions: (1, channels, rows)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(SIZE, SIZE, 3, padding=1)

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        x = rows.t().unsqueeze(0)
        for _ in range(8):
            x = torch.ops.safeasr.watched_layer(torch.relu(self.layer(x)))
        return x[0].t()


@pytest.fixture(autouse=True)
def counted() -> None:
    _ext.watch_layers()


@pytest.fixture
def engine() -> Iterator[Any]:
    one = _ext.Engine(num_workers=1, queue_size=64)
    yield one
    one.close(drain=False)


def runner(net: nn.Module, path: Path, device: str = "cpu", **limits: Any) -> Any:
    torch.manual_seed(0)
    chosen: dict[str, Any] = {"max_requests": 16, "max_cost": 10**6, "ragged": True, **limits}
    return _ext.RaggedRunner(
        program=_ext.Program.load(save(net, path), device),
        outputs=["rows"],
        feature_size=SIZE,
        limits=_ext.BatchLimits(**chosen),
    )


def rows(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, SIZE)).astype(np.float32)


def calls() -> int:
    return int(_ext.watched_layers()[0])


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def stopped_after(ticket: Any, error: type[Exception], stop: Callable[[], object]) -> int:
    """Layers that still ran after `stop`."""
    wait_until(lambda: calls() >= 3)
    stop()
    before = calls()
    assert ticket.wait(30)
    with pytest.raises(error):
        ticket.get()
    return calls() - before


def test_a_cancelled_batch_ends(engine: Any, tmp_path: Path) -> None:
    deep = runner(Deep(), tmp_path / "deep.ts")
    _ext.watch_layers(SLEEP_MS)
    ticket = deep.submit(engine, rows())
    assert stopped_after(ticket, CancelledError, ticket.cancel) < 20
    _ext.watch_layers(0)
    again = deep.submit(engine, rows())
    assert again.wait(30) and np.isfinite(again.get()[0]).all()
    assert calls() == LAYERS
    stats = engine.stats()
    assert (stats["cancelled"], stats["failed"], stats["retried_alone"]) == (1, 0, 0)


def test_a_late_batch_ends(engine: Any, tmp_path: Path) -> None:
    deep = runner(Deep(), tmp_path / "deep.ts")
    _ext.watch_layers(SLEEP_MS)
    ticket = deep.submit(engine, rows(), terms=_ext.Terms(deadline_s=0.2))
    assert ticket.wait(30)
    with pytest.raises(DeadlineExceededError):
        ticket.get()
    assert 0 < calls() < LAYERS / 2


def test_a_batch_ends_when_the_engine_is_closed(engine: Any, tmp_path: Path) -> None:
    deep = runner(Deep(), tmp_path / "deep.ts")
    _ext.watch_layers(SLEEP_MS)
    ticket = deep.submit(engine, rows())
    assert stopped_after(ticket, EngineClosedError, lambda: engine.close(drain=False)) < 20


def test_draining_runs_it_to_its_end(engine: Any, tmp_path: Path) -> None:
    deep = runner(Deep(), tmp_path / "deep.ts")
    _ext.watch_layers(1)
    ticket = deep.submit(engine, rows())
    wait_until(lambda: calls() >= 3)
    engine.close(drain=True)
    assert np.isfinite(ticket.get()[0]).all()
    assert calls() == LAYERS


def test_one_that_is_wanted_keeps_the_batch(engine: Any, tmp_path: Path) -> None:
    deep = runner(Deep(), tmp_path / "deep.ts", max_wait_ms=100)
    alone = deep.submit(engine, rows(40))
    assert alone.wait(30)
    _ext.watch_layers(1)
    tickets = [deep.submit(engine, rows(n)) for n in (40, 50)]
    wait_until(lambda: calls() >= 3)
    assert not tickets[1].cancel(), "it runs"
    assert tickets[0].wait(30)
    assert tickets[0].get()[0].tobytes() == alone.get()[0].tobytes()
    assert calls() == LAYERS, "they were one batch, and it ran once"
    # Both: nobody wants it.
    _ext.watch_layers(SLEEP_MS)
    tickets = [deep.submit(engine, rows(n)) for n in (40, 50)]
    wait_until(lambda: calls() >= 3)
    for ticket in tickets:
        ticket.cancel()
    before = calls()
    for ticket in tickets:
        assert ticket.wait(30)
        with pytest.raises(CancelledError):
            ticket.get()
    assert calls() - before < 20


class Loop(nn.Module):
    """Layers in a loop whose end nobody knows beforehand, and in a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(SIZE, SIZE)

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        n = 0
        while n < 400 + rows.size(0):
            if n % 2 == 0:
                rows = torch.ops.safeasr.watched_layer(torch.tanh(self.layer(rows)))
            n += 1
        return rows


@pytest.mark.parametrize("net", [Loop, Convolutions])
def test_loops_branches_and_convolutions(engine: Any, tmp_path: Path, net: type[nn.Module]) -> None:
    looped = runner(net(), tmp_path / "net.ts")
    _ext.watch_layers(50)
    ticket = looped.submit(engine, rows())
    assert stopped_after(ticket, CancelledError, ticket.cancel) < 4


@on_fake_device
def test_launches_for_a_device_end(tmp_path: Path) -> None:
    _ext.watch_layers()
    one = _ext.Engine(num_workers=1, queue_size=8, device=HERE)
    deep = runner(Deep(), tmp_path / "deep.ts", HERE)
    _ext.watch_layers(SLEEP_MS)
    ticket = deep.submit(one, rows())
    assert stopped_after(ticket, CancelledError, ticket.cancel) < 20
    one.close()


@pytest.mark.parametrize("net", [Deep, Convolutions])
@pytest.mark.parametrize(("count", "threads"), [(8, 1), (40, 2)])
def test_cores_are_shared_without_attention(
    tmp_path: Path, net: type[nn.Module], count: int, threads: int
) -> None:
    """Who is alone on two workers has the cores of both, unless its rows are too few."""
    engine = _ext.Engine(num_workers=2, queue_size=8, intra_op_threads=1, idle_threads=2)
    served = runner(net(), tmp_path / "net.ts", share=False)
    _ext.watch_layers()
    assert served.submit(engine, rows(count)).wait(30)
    assert _ext.watched_layers()[1] == threads
    engine.close()


def test_cores_go_back_to_who_has_work(tmp_path: Path) -> None:
    engine = _ext.Engine(num_workers=2, queue_size=8, intra_op_threads=1, idle_threads=2)
    served = runner(Deep(), tmp_path / "deep.ts", max_requests=1)
    _ext.watch_layers(1)
    tickets = [served.submit(engine, rows()) for _ in range(2)]
    wait_until(lambda: engine.stats()["busy_workers"] == 2)
    _ext.watch_layers(1)
    time.sleep(0.05)
    assert _ext.watched_layers()[1] == 1
    for ticket in tickets:
        assert ticket.wait(30)
    engine.close()
