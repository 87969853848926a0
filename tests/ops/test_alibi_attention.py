"""Attention whose scores fall with distance, against plain sums in double."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import safeasr._extension  # noqa: F401  (registers the operators)
from support.ragged import on_tensor_op_path

attend = torch.ops.safeasr.alibi_attention
HEADS, DEPTH = 3, 16
#: Those that are done one by one, and in tiles; one without rows.
LENGTHS = [1, 40, 0, 7, 133, 31]
BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 0.03, torch.float16: 5e-3}


def batch(dtype: torch.dtype = torch.float32, rest: int = 3) -> tuple[Tensor, ...]:
    """Rows of all streams, some of which have no place, and some of nobody behind them."""
    rng = torch.Generator().manual_seed(0)
    rows = sum(LENGTHS) + rest
    q, k, v = torch.randn(rows, 3 * HEADS * DEPTH, generator=rng).to(dtype).split(48, dim=1)
    places = torch.full((rows,), -1.0)
    offsets = torch.tensor([0, *LENGTHS]).cumsum(0)
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        placed = max(last - first - 4, 0)
        places[first : first + placed] = torch.arange(1.0, placed + 1)
    return q, k, v, offsets, places, torch.tensor([0.5, 0.0, 0.07])


def reference(given: tuple[Tensor, ...]) -> Tensor:
    q, k, v, offsets, places, slopes = given
    out = torch.zeros(q.shape, dtype=torch.float64)
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        part = slice(first, last)
        by_head = [x[part].double().unflatten(1, (HEADS, DEPTH)).transpose(0, 1) for x in (q, k, v)]
        where = places[part].double()
        distance = (where[:, None] - where[None]).abs()
        distance[where < 0] = 0
        distance[:, where < 0] = 0
        scores = by_head[0] @ by_head[1].transpose(1, 2) / DEPTH**0.5
        scores = scores - slopes.double()[:, None, None] * distance
        out[part] = (scores.softmax(-1) @ by_head[2]).transpose(0, 1).flatten(1)
    return out


def run(given: tuple[Tensor, ...]) -> Tensor:
    return attend(*given[:3], HEADS, *given[3:])


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_equals_plain_sums(dtype: torch.dtype, forced: bool) -> None:
    given = batch(dtype)
    if forced:
        with on_tensor_op_path():
            got = run(given)
    else:
        got = run(given)
    assert got.dtype == dtype
    # Far from everything, softmax has one large weight: rounding of scores is no more than a bit.
    torch.testing.assert_close(
        got.double(), reference(given), rtol=BOUNDS[dtype], atol=BOUNDS[dtype]
    )
    assert not got[sum(LENGTHS) :].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_without_slopes_it_is_plain_attention(dtype: torch.dtype) -> None:
    q, k, v, offsets, places, slopes = batch(dtype)
    got = attend(q, k, v, HEADS, offsets, places, torch.zeros_like(slopes))
    plain = torch.ops.safeasr.ragged_attention(q, k, v, HEADS, offsets, offsets, [], offsets, 0)
    torch.testing.assert_close(got, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("forced", [False, True])
def test_nobody_looks_at_a_neighbour(forced: bool) -> None:
    q, k, v, offsets, places, slopes = batch()
    alone = [
        attend(*(x[first:last] for x in (q, k, v)), HEADS, torch.tensor([0, last - first]),
               places[first:last], slopes)
        for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]  # fmt: skip
    if forced:
        with on_tensor_op_path():
            got = run((q, k, v, offsets, places, slopes))
        torch.testing.assert_close(got[: sum(LENGTHS)], torch.cat(alone), rtol=1e-5, atol=1e-5)
    else:
        got = run((q, k, v, offsets, places, slopes))
        assert torch.equal(got[: sum(LENGTHS)], torch.cat(alone))


def test_long_streams_in_parts(tensor_op_path: None) -> None:
    """Scores that are too many for one piece: of one long stream, and of many."""
    for lengths in ([3400, 3300], [1500] * 70):
        rows = sum(lengths)
        q, k, v = torch.randn(3, rows, 8, generator=torch.Generator().manual_seed(1))
        offsets = torch.tensor([0, *lengths]).cumsum(0)
        places = torch.cat([torch.arange(1.0, one + 1) for one in lengths])
        got = attend(q, k, v, 1, offsets, places, torch.tensor([0.01]))
        first = slice(0, 40)
        seen = slice(0, lengths[0])
        scores = q[first] @ k[seen].T / 8**0.5
        scores -= 0.01 * (places[first, None] - places[None, seen]).abs()
        torch.testing.assert_close(got[first], scores.softmax(1) @ v[seen], rtol=1e-5, atol=1e-5)


WRONG: list[tuple[int, Any, str]] = [
    (4, torch.zeros(4), "expects places"),
    (4, torch.zeros(215, dtype=torch.float64), "expects places"),
    (5, torch.zeros(2), "expects places"),
    (5, torch.zeros(3, dtype=torch.float64), "expects places"),
    (3, torch.tensor([0, 999]), "must rise from 0"),
    (0, torch.zeros(215, 3, 16), "expects q"),
]


@pytest.mark.parametrize(("place", "value", "message"), WRONG)
def test_wrong_arguments(place: int, value: Tensor, message: str) -> None:
    given = list(batch())
    assert given[0].size(0) == 215
    given[place] = value
    with pytest.raises(RuntimeError, match=message):
        run(tuple(given))
