"""The LSTM of ragged rows against torch's, and against itself in other company."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

import safeasr
from safeasr.nets.ragged_lstm import RaggedLstm
from support.ragged import on_tensor_op_path

LENGTHS = [1, 7, 0, 40, 3, 40, 2, 1, 300, 5, 9, 64, 128]
SHAPES = [(32, 32, True), (48, 16, False), (20, 64, True)]


def network(size_in: int, size: int, both: bool) -> torch.nn.LSTM:
    with torch.random.fork_rng():
        torch.manual_seed(size)
        return torch.nn.LSTM(size_in, size, 2, bidirectional=both, batch_first=True)


def sequences(size: int, lengths: list[int] = LENGTHS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [3 * torch.randn(length, size, generator=generator) for length in lengths]


def run(layers: list[RaggedLstm], parts: list[Tensor], padding: int = 0) -> list[Tensor]:
    counts = torch.tensor([0, *map(len, parts)])
    rows = torch.cat([*parts, torch.full((padding, parts[0].size(1)), torch.nan)])
    with torch.inference_mode():
        for layer in layers:
            rows = layer(rows, counts.cumsum(0))
    assert not rows[int(counts.sum()) :].any()
    return list(rows[: int(counts.sum())].split(counts[1:].tolist()))


@pytest.mark.parametrize("forced", [False, True])
def test_sequences_that_go_on(forced: bool) -> None:
    """In pieces of any size, each with the state behind the one before: as in one piece."""
    size, lengths = 32, [1, 40, 7, 40, 3]
    layer = RaggedLstm(network(size, size, both=False), 0)
    parts = sequences(size, lengths)
    whole = run([layer], parts)
    cuts = [[1], [13, 27], [1, 6], [38, 1, 1], [2, 1]]
    states = [torch.zeros(2, size) for _ in parts]
    found: list[list[Tensor]] = [[] for _ in parts]
    done = [0] * len(parts)
    for turn in range(3):
        going = [i for i, cut in enumerate(cuts) if turn < len(cut)]
        rows = []
        for i in going:
            piece = parts[i][done[i] : done[i] + cuts[i][turn]]
            rows.append(torch.cat([states[i], piece]))
            done[i] += len(piece)
        offsets = torch.tensor([0, *map(len, rows)]).cumsum(0)
        with torch.inference_mode(), on_tensor_op_path() if forced else nullcontext():
            out = layer.resumed(torch.cat([*rows, torch.full((3, size), torch.nan)]), offsets)
        assert not out[int(offsets[-1]) :].any()
        for i, piece in zip(going, out[: int(offsets[-1])].split([len(one) for one in rows])):
            states[i] = piece[:2].clone()
            found[i].append(piece[2:])
            assert torch.equal(states[i][0], piece[-1])  # hidden is what came last
    for got, wanted in zip(found, whole, strict=True):
        if forced:
            torch.testing.assert_close(torch.cat(got), wanted, rtol=1e-5, atol=1e-5)
        else:
            assert torch.equal(torch.cat(got), wanted)


def test_what_cannot_go_on() -> None:
    both = RaggedLstm(network(32, 32, both=True), 0)
    with pytest.raises(RuntimeError, match="one direction"):
        both.resumed(torch.zeros(5, 32), torch.tensor([0, 5]))
    wider = RaggedLstm(network(20, 64, both=False), 0)
    with pytest.raises(RuntimeError, match="rows of its size"):
        wider.resumed(torch.zeros(5, 20), torch.tensor([0, 5]))
    layer = RaggedLstm(network(32, 32, both=False), 0)
    for ends in ([0, 2, 5], [0, 5, 5]):
        with pytest.raises(RuntimeError, match="a step at least"):
            layer.resumed(torch.zeros(5, 32), torch.tensor(ends))


@pytest.mark.parametrize(("size_in", "size", "both"), SHAPES)
@pytest.mark.parametrize("forced", [False, True])
def test_equals_torch(size_in: int, size: int, both: bool, forced: bool) -> None:
    lstm = network(size_in, size, both)
    layers = [RaggedLstm(lstm, 0), RaggedLstm(lstm, 1)]
    parts = sequences(size_in)
    if forced:
        with on_tensor_op_path():
            found = run(layers, parts, padding=5)
    else:
        found = run(layers, parts, padding=5)
    for got, part in zip(found, parts, strict=True):
        if len(part):
            expected = lstm(part[None])[0][0].detach()
            torch.testing.assert_close(got, expected, rtol=0, atol=3e-6)


def test_company_changes_no_bit() -> None:
    lstm = network(32, 32, True)
    layers = [RaggedLstm(lstm)]
    parts = sequences(32, LENGTHS * 6)
    alone = [run(layers, [part])[0] for part in parts]
    assert len({tuple(one.flatten().tolist()) for one in alone if len(one)}) > 10
    for order in (parts, parts[::-1]):
        found = run(layers, order, padding=3)
        found = found if order is parts else found[::-1]
        for one, other in zip(alone, found, strict=True):
            assert torch.equal(one, other)


def test_large_numbers_saturate() -> None:
    lstm = network(32, 32, False)
    parts = [1e4 * part for part in sequences(32)]
    found = run([RaggedLstm(lstm)], parts)
    for got, part in zip(found, parts, strict=True):
        if len(part):
            with torch.no_grad():
                x = part[None]
                expected = torch.nn.LSTM.forward(_first_layer(lstm), x)[0][0]
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def _first_layer(lstm: torch.nn.LSTM) -> torch.nn.LSTM:
    one = torch.nn.LSTM(lstm.input_size, lstm.hidden_size, 1, batch_first=True)
    one.load_state_dict({k: v for k, v in lstm.state_dict().items() if k.endswith("l0")})
    return one


def test_what_does_not_fit_is_refused() -> None:
    layer = RaggedLstm(network(32, 32, True))
    rows, offsets = torch.zeros(4, 32), torch.tensor([0, 4])
    for wrong_rows, wrong_offsets in [
        (torch.zeros(4, 16), offsets),
        (torch.zeros(4), offsets),
        (rows, torch.tensor([0, 5])),
        (rows, torch.tensor([1, 4])),
        (rows, torch.tensor([0, 3, 2])),
        (rows, torch.tensor([0.0, 4.0])),
    ]:
        with pytest.raises(RuntimeError, match="ragged_lstm"):
            layer(wrong_rows, wrong_offsets)
    assert safeasr.__version__
