"""Programs of rows through the engine: batches without padding that anybody sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from safeasr import AudioError, InferenceError, _ext
from support import fakegpu
from support.audio import speech
from support.device_process import on_fake_device
from support.fakegpu import HERE
from support.programs import save

SIZE = 24


class Network(nn.Module):
    """Attention within each request, a convolution over neighbours, a vector of each request."""

    def __init__(self, inputs: int, span: int) -> None:
        super().__init__()
        self.size = SIZE
        self.enter = nn.Linear(inputs, 3 * SIZE)
        self.leave = nn.Linear(SIZE, SIZE)
        self.beside = nn.Linear(SIZE * span, 7)

    def forward(
        self, rows: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        none: list[Tensor] = []
        x = self.enter(rows) + torch.ops.safeasr.encode_positions(positions, 3 * self.size)
        q, k, v = x.split(self.size, dim=1)
        attended = torch.ops.safeasr.ragged_attention(
            q, k, v, 4, offsets, offsets, none, offsets, 0
        )
        x = self.leave(attended)
        seen = torch.cat([torch.zeros(1, self.size, device=x.device), x])[neighbours].flatten(1)
        # One by one: what a row gives must not depend on how many others are added up with it.
        firsts: list[Tensor] = []
        for i in range(offsets.size(0) - 1):
            firsts.append(x[int(offsets[i])])
        return self.beside(seen), torch.stack(firsts), x.argmax(1)


class Embedder(nn.Module):
    """Ids to rows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, SIZE)
        self.leave = nn.Linear(SIZE, SIZE)

    def forward(self, ids: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        return self.leave(self.table(ids)) * positions.unsqueeze(1)


@pytest.fixture
def engine() -> Iterator[Any]:
    one = _ext.Engine(num_workers=1, queue_size=64)
    yield one
    one.close(drain=False)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    return save(Network(SIZE, span=4), tmp_path_factory.mktemp("ragged") / "network.ts")


def runner(path: str, device: str = "cpu", **options: Any) -> Any:
    limits = _ext.BatchLimits(max_requests=16, max_cost=10**6, max_wait_ms=50, ragged=True)
    return _ext.RaggedRunner(program=_ext.Program.load(path, device), limits=limits, **options)


def three_outputs(path: str, device: str = "cpu") -> Any:
    outputs = ["rows", "utterances", "rows"]
    return runner(path, device, outputs=outputs, feature_size=SIZE, neighbours=(2, 1))


def features(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal((n, SIZE)).astype(np.float32) for n in lengths]


def finish(ticket: Any) -> Any:
    assert ticket.wait(60)
    return ticket.get()


def together(engine: Any, served: Any, inputs: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Their results in one batch; on a busy machine the worker may have begun before all came."""
    for _ in range(10):
        before = engine.stats()["batches"]
        tickets = [served.submit(engine, one) for one in inputs]
        results = [finish(ticket) for ticket in tickets]
        if engine.stats()["batches"] == before + 1:
            return results
    raise AssertionError("never one batch")


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(one, other, strict=True)
    )


def test_the_same_bits_alone_and_in_company(engine: Any, network: str) -> None:
    served = three_outputs(network)
    inputs = features(1, 2, 7, 8, 9, 31, 64, 100)
    alone = [finish(served.submit(engine, one)) for one in inputs]
    for one, (rows, vector, best) in zip(inputs, alone, strict=True):
        assert rows.shape == (len(one), 7) and rows.dtype == np.float32
        assert vector.shape == (SIZE,)
        assert best.shape == (len(one),) and best.dtype == np.int64
    for order in (inputs, inputs[::-1]):
        company = together(engine, served, order)
        expected = alone if order is inputs else alone[::-1]
        assert all(map(same, company, expected))


def test_numbers_are_the_networks(engine: Any, network: str) -> None:
    [one] = features(20)
    rows, vector, _ = finish(three_outputs(network).submit(engine, one))
    # Neighbours count from 1; 0 is a row of zeros.
    span = torch.arange(20)[:, None] + torch.arange(-2, 2)[None, :]
    neighbours = torch.where((span >= 0) & (span < 20), span + 1, torch.zeros_like(span))
    positions = torch.arange(1, 21, dtype=torch.float32)
    with torch.no_grad():
        wanted = torch.jit.load(network)(
            torch.from_numpy(one), positions, torch.tensor([0, 20]), neighbours
        )
    assert np.abs(rows - wanted[0].numpy()).max() < 1e-5
    assert np.abs(vector - wanted[1][0].numpy()).max() < 1e-5


def test_ids(engine: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    served = runner(save(Embedder(), tmp_path / "ids.ts"), outputs=["rows"])
    rng = np.random.default_rng(0)
    inputs = [rng.integers(0, 100, n) for n in (1, 5, 17)]
    alone = [finish(served.submit(engine, one)) for one in inputs]
    assert [one[0].shape for one in alone] == [(1, SIZE), (5, SIZE), (17, SIZE)]
    assert all(map(same, together(engine, served, inputs), alone))
    with pytest.raises(InferenceError, match="out of range"):
        finish(served.submit(engine, np.array([3, 100])))
    with pytest.raises(TypeError, match="int64"):
        served.submit(engine, np.ones(3, np.float32))
    with pytest.raises(AudioError, match="empty"):
        served.submit(engine, np.zeros(0, np.int64))
    with pytest.raises(AudioError, match="dimensions"):
        served.submit(engine, np.zeros((2, 2), np.int64))


class Sums(nn.Module):
    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        return rows.sum(1)


def test_samples_through_a_frontend(engine: Any, tmp_path: Path) -> None:
    frontend = _ext.Frontend(n_mels=20, lfr_m=3, lfr_n=2)
    served = runner(save(Sums(), tmp_path / "sums.ts"), outputs=["rows"], frontend=frontend)
    clips = [speech(seconds, seed=7) for seconds in (0.3, 1.1)]
    for clip, [got] in zip(clips, together(engine, served, clips), strict=True):
        computed = frontend.compute([clip])[0][0]
        assert np.abs(got - computed.sum(1)).max() < 1e-3
        [again] = finish(served.submit(engine, computed))
        assert same([got], [again])
    for wrong in (np.zeros(0, np.float32), np.zeros((0, 60), np.float32)):
        with pytest.raises(AudioError, match="empty"):
            served.submit(engine, wrong)
    with pytest.raises(AudioError, match="features"):
        served.submit(engine, np.zeros((3, 61), np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(engine: Any, network: str, value: float) -> None:
    served = three_outputs(network)
    good, bad = features(9, 9)
    bad[4, 3] = value
    ticket = served.submit(engine, good)
    with pytest.raises(AudioError, match="NaN or infinite"):
        served.submit(engine, bad)
    assert len(finish(ticket)) == 3


def test_inputs_of_another_kind(engine: Any, network: str) -> None:
    served = three_outputs(network)
    with pytest.raises(AudioError, match="empty"):
        served.submit(engine, np.zeros((0, SIZE), np.float32))
    for shape in ((SIZE,), (3, SIZE + 1), (1, 3, SIZE)):
        with pytest.raises(AudioError, match="expected features"):
            served.submit(engine, np.zeros(shape, np.float32))
    with pytest.raises(TypeError, match="float32"):
        served.submit(engine, np.zeros((3, SIZE)))


def test_options_that_make_no_sense(network: str) -> None:
    frontend = _ext.Frontend()
    with pytest.raises(ValueError, match="one of both"):
        runner(network, outputs=["rows"], frontend=frontend, feature_size=80)
    with pytest.raises(ValueError, match="outputs"):
        runner(network, outputs=[], feature_size=80)
    with pytest.raises(ValueError, match="'rows' or 'utterances', got 'row'"):
        runner(network, outputs=["row"], feature_size=80)
    with pytest.raises(ValueError, match="negative"):
        runner(network, outputs=["rows"], feature_size=80, neighbours=(-1, 0))


class Odd(nn.Module):
    """Breaks its promises, depending on the first value."""

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> list[Tensor]:
        first = float(rows[0, 0])
        vectors = rows[: offsets.size(0) - 1]
        if first == 1:
            return []
        if first == 2:
            return [rows]
        if first == 3:
            return [rows, vectors, vectors]
        if first == 4:
            return [rows[1:], vectors]
        if first == 5:
            return [rows, rows]
        if first == 6:
            return [rows.half(), vectors]
        if first == 7:
            return [rows.sum(), vectors]
        return [rows, vectors]


@pytest.mark.parametrize("value", range(1, 8))
def test_wrong_programs(engine: Any, tmp_path: Path, value: int) -> None:
    path = save(Odd(), tmp_path / "odd.ts")
    served = runner(path, outputs=["rows", "utterances"], feature_size=3)
    bad = np.full((10, 3), value, np.float32)
    good = np.full((10, 3), 9, np.float32)
    with pytest.raises(InferenceError, match=r"program 'network' returned .* where it should"):
        finish(served.submit(engine, bad))
    rows, vector = finish(served.submit(engine, good))
    assert (rows == 9).all() and rows.shape == (10, 3) and vector.shape == (3,)


@on_fake_device
def test_on_a_device(network: str) -> None:
    inputs = features(1, 4, 30, 57)
    answers = []
    for device in ("cpu", HERE):
        engine = _ext.Engine(num_workers=2, queue_size=64, device=device)
        fakegpu.reset()
        answers.append(together(engine, three_outputs(network, device), inputs))
        engine.close()
    for on_cpu, there in zip(*answers, strict=True):
        assert np.abs(on_cpu[0] - there[0]).max() < 1e-4
        assert np.abs(on_cpu[1] - there[1]).max() < 1e-4
        assert (on_cpu[2] == there[2]).all()
