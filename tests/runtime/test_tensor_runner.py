"""Programs of any kind through the engine: padded batches, and errors that strike their cause."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from safeasr import AudioError, EngineClosedError, InferenceError, _ext
from support.programs import Doubler, save


@pytest.fixture
def engine() -> Iterator[Any]:
    one = _ext.Engine(num_workers=1, queue_size=64)
    yield one
    one.close(drain=False)


def runner(path: str, **limits: Any) -> Any:
    limits = {
        "max_requests": 16,
        "max_cost": 10**6,
        "max_padding": 1.0,
        "max_wait_ms": 50,
        **limits,
    }
    return _ext.TensorRunner(_ext.Program.load(path), _ext.BatchLimits(**limits))


@pytest.fixture
def doubler(tmp_path: Path) -> Any:
    return runner(save(Doubler(), tmp_path / "doubler.ts"))


def rows(*values: float) -> list[np.ndarray]:
    return [np.full((n + 1, 3), value, np.float32) for n, value in enumerate(values)]


def finish(ticket: Any) -> Any:
    assert ticket.wait(30)
    return ticket.get()


def test_rows_of_a_batch(engine: Any, doubler: Any) -> None:
    arrays = rows(1, 2, 3, 4)
    tickets = [engine.submit_tensor(doubler, a) for a in arrays]
    for array, ticket in zip(arrays, tickets, strict=True):
        [output] = finish(ticket)
        assert (output[: len(array)] == 2 * array).all()
        assert (output[len(array) :] == 0).all()
    engine.close()
    stats = engine.stats()
    assert stats["batched_requests"] == 4
    assert stats["batches"] < 4, "max_wait_ms did not bring them together"


@pytest.mark.parametrize("culprit", range(4))
def test_only_the_culprit_fails(engine: Any, doubler: Any, culprit: int) -> None:
    arrays = rows(1, 2, 3, 4)
    arrays[culprit][0, 1] = 1e7
    tickets = [engine.submit_tensor(doubler, a) for a in arrays]
    for index, (array, ticket) in enumerate(zip(arrays, tickets, strict=True)):
        if index == culprit:
            with pytest.raises(InferenceError, match="a value is too large"):
                finish(ticket)
            assert ticket.state == "failed"
        else:
            assert (finish(ticket)[0][: len(array)] == 2 * array).all()
    engine.close()
    stats = engine.stats()
    assert (stats["completed"], stats["failed"]) == (3, 1)
    assert stats["retried_alone"] == 4, "they were in one batch"


def test_rows_of_different_width(engine: Any, doubler: Any) -> None:
    wide = np.ones((2, 5), np.float32)
    tickets = [engine.submit_tensor(doubler, a) for a in (*rows(1, 2), wide)]
    assert [finish(t)[0].shape[1] for t in tickets] == [3, 3, 5]


def test_values_must_be_float32_matrices(engine: Any, doubler: Any) -> None:
    for wrong in (np.ones(3, np.float32), np.ones((1, 2, 3), np.float32)):
        with pytest.raises(AudioError, match="expected an array"):
            engine.submit_tensor(doubler, wrong)
    with pytest.raises(TypeError):
        engine.submit_tensor(doubler, np.ones((2, 3)))


class Odd(nn.Module):
    """Breaks its promises, depending on the first value."""

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        first = float(values[0, 0, 0])
        if first == 1:
            return values.sum()
        if first == 2:
            return values.repeat(3, 1, 1)
        if first == 3:
            return values.half()
        return values[:, 100]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (1, InferenceError, "batch as their first dimension"),
        (2, InferenceError, "batch as their first dimension"),
        (3, TypeError, "Half"),
        (4, InferenceError, "index 100 out of range"),
    ],
)
def test_programs_that_break_their_promises(
    engine: Any, tmp_path: Path, value: float, kind: type[Exception], message: str
) -> None:
    odd = runner(save(Odd(), tmp_path / "odd.ts"), max_wait_ms=0)
    with pytest.raises(kind, match=message):
        finish(engine.submit_tensor(odd, rows(value)[0]))


class Text(nn.Module):
    def forward(self, values: Tensor, lengths: Tensor) -> str:
        return "no tensor"


def test_a_program_that_returns_no_tensor(engine: Any, doubler: Any, tmp_path: Path) -> None:
    text = runner(save(Text(), tmp_path / "text.ts"))
    with pytest.raises(InferenceError):
        finish(engine.submit_tensor(text, rows(1)[0]))
    assert finish(engine.submit_tensor(doubler, rows(1)[0]))


def test_runners_share_workers(engine: Any, tmp_path: Path) -> None:
    path = save(Doubler(), tmp_path / "doubler.ts")
    both = [runner(path, max_wait_ms=0), runner(path, max_requests=1)]
    assert both[0].id != both[1].id

    def work(n: int) -> None:
        array = rows(n)[0]
        assert (finish(engine.submit_tensor(both[n % 2], array))[0] == 2 * array).all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))


@pytest.mark.parametrize("content", [b"", b"garbage" * 100])
def test_files_that_are_no_programs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.ts"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.ts"):
        _ext.Program.load(str(path))
    with pytest.raises(ValueError, match=r"nowhere\.ts"):
        _ext.Program.load(str(tmp_path / "nowhere.ts"))


def test_engines_refuse_nonsense() -> None:
    for options in ({"num_workers": 0, "queue_size": 1}, {"num_workers": 1, "queue_size": 0}):
        with pytest.raises(ValueError, match="must"):
            _ext.Engine(**options)
    with pytest.raises((ValueError, RuntimeError), match="nonsense"):
        _ext.Engine(num_workers=1, queue_size=1, device="nonsense")


def test_a_closed_engine(engine: Any, doubler: Any) -> None:
    engine.close()
    assert engine.closed
    with pytest.raises(EngineClosedError):
        engine.submit_tensor(doubler, rows(1)[0])


def test_weights_are_shared_by_all_threads(engine: Any, tmp_path: Path) -> None:
    """A program's answer to one thread does not depend on what others ask."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4)).eval()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
            return self.net(values)

    shared = runner(save(Net(), tmp_path / "net.ts"), max_wait_ms=2)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1 + n % 7, 8)).astype(np.float32) for n in range(64)]
    with torch.no_grad():
        expected = [net(torch.from_numpy(a)).numpy() for a in arrays]

    def work(n: int) -> None:
        output = finish(engine.submit_tensor(shared, arrays[n]))[0][: len(arrays[n])]
        assert np.abs(output - expected[n]).max() < 1e-5

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(64)))
