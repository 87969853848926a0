"""The FSMN memory of ragged batches of streams against plain torch, one stream at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import safeasr._extension  # noqa: F401  (registers the operators)

remember = torch.ops.safeasr.ragged_memory


def offsets(counts: list[int]) -> Tensor:
    return torch.tensor([0, *counts]).cumsum(0)


def filtered(x: Tensor, taps: Tensor, left: int, residual: Tensor | None) -> Tensor:
    """One stream's rows (n, size)."""
    padded = functional.pad(x.t()[None], (left, taps.size(0) - 1 - left))
    y = functional.conv1d(padded, taps.t().unsqueeze(1), groups=x.size(1))[0].t() + x
    return y if residual is None else y + residual


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernel", "operations"])
@pytest.mark.parametrize("size", [1, 24, 65])
@pytest.mark.parametrize(("kernel", "left"), [(11, 5), (11, 10), (11, 0), (1, 0), (4, 3)])
def test_memory(kernel: int, left: int, size: int, dtype: torch.dtype) -> None:
    """Rows of a neighbour, a shifted kernel, a residual added twice or not at all."""
    check_memory([5, 3, 1, 30, 2], kernel, left, size, dtype)


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64],
)
def test_memory_of_a_stream_without_rows(dtype: torch.dtype) -> None:
    """The last step of a stream may bring nothing and look at nothing beside it."""
    check_memory([5, 0, 2], 11, 5, 24, dtype)


def check_memory(counts: list[int], kernel: int, left: int, size: int, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(kernel * 100 + left * 10 + size)
    x = torch.randn(sum(counts), 2 * size, generator=g, dtype=dtype)[:, size:]
    taps = torch.randn(kernel, size, generator=g, dtype=dtype)
    for residual in (None, torch.randn(sum(counts), size, generator=g, dtype=dtype)):
        got = remember(x, taps, left, offsets(counts), residual, [], [], 0)
        parts = residual.split(counts) if residual is not None else [None] * len(counts)
        expected = [filtered(p, taps, left, r) for p, r in zip(x.split(counts), parts) if len(p)]
        torch.testing.assert_close(got, torch.cat(expected), rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernel", "operations"])
@pytest.mark.parametrize("kernel", [11, 3, 2])
def test_memory_with_a_past(kernel: int, dtype: torch.dtype) -> None:
    """Step by step as all at once, streams of different lengths side by side."""
    g = torch.Generator().manual_seed(kernel)
    size, layers = 20, 2
    waves = [torch.randn(n, size, generator=g, dtype=dtype) for n in (40, 25, 9)]
    taps = torch.randn(kernel, size, generator=g, dtype=dtype)
    past = [torch.zeros(layers, kernel - 1, size, dtype=dtype) for _ in waves]
    seen = [0, 0, 0]
    got: list[list[Tensor]] = [[], [], []]
    for step in range(12):
        counts = [int(torch.randint(0, 7, (), generator=g)) for _ in waves]
        if step == 11:
            counts = [len(w) for w in waves]
        counts = [min(n, len(w) - s) for n, w, s in zip(counts, waves, seen)]
        x = torch.cat([w[s : s + n] for w, s, n in zip(waves, seen, counts)])
        following = [torch.full_like(p, float("nan")) for p in past]
        before = [p.clone() for p in past]
        y = remember(x, taps, kernel - 1, offsets(counts), x, past, following, 1)
        assert all(torch.equal(a, b) for a, b in zip(before, past))
        for p in following:
            p[0] = 0  # the other layer's is not this call's
        for i, part in enumerate(y.split(counts)):
            got[i].append(part)
        past, seen = following, [s + n for s, n in zip(seen, counts)]
    for wave, parts in zip(waves, got):
        expected = filtered(wave, taps, kernel - 1, wave)
        torch.testing.assert_close(torch.cat(parts), expected, rtol=1e-5, atol=2e-5)


WRONG_MEMORY: list[tuple[dict[str, Any], str]] = [
    ({"x": torch.zeros(6, 4, 1)}, "expects x"),
    ({"taps": torch.zeros(3, 5)}, "expects x"),
    ({"left": 3}, "left is 3"),
    ({"left": -1}, "left is -1"),
    ({"left": 1}, "may not see the future"),
    ({"residual": torch.zeros(6, 3)}, "residual like x"),
    ({"offsets": torch.tensor([0, 8])}, "must rise from 0, at most to 6"),
    ({"offsets": torch.tensor([0, 7, 6])}, "must rise from 0, at most to 6"),
    ({"offsets": torch.tensor([0.0, 6.0])}, "int64 on the CPU"),
    ({"past": []}, "one past and one next"),
    ({"offsets": torch.tensor([0, 2, 6])}, "one past and one next"),
    ({"past": [torch.zeros(1, 3, 4)]}, "expects past and next"),
    ({"next": [torch.zeros(1, 2, 4, dtype=torch.float64)]}, "expects past and next"),
    ({"next": [torch.zeros(1, 4, 2).transpose(1, 2)]}, "expects past and next"),
    ({"layer": 1}, "expects past and next"),
    ({"layer": -1}, "expects past and next"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG_MEMORY)
def test_wrong_arguments_of_memory(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "x": torch.zeros(6, 4), "taps": torch.zeros(3, 4), "left": 2,
        "offsets": torch.tensor([0, 6]), "residual": None, "past": [torch.zeros(1, 2, 4)],
        "next": [torch.zeros(1, 2, 4)], "layer": 0,
    }  # fmt: skip
    assert remember(*arguments.values()).shape == (6, 4)
    with pytest.raises(RuntimeError, match=message):
        remember(*{**arguments, **changed}.values())
