"""Attention with relative positions, and gates: against plain torch, by both ways."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from support.ragged import on_tensor_op_path

HEADS = 3
#: Numbers of rows around where tiles of queries and vectors of keys end, and nothing.
LENGTHS = (1, 2, 0, 15, 16, 17, 23, 24, 25, 48, 49, 71)


def plain(
    q: Tensor, k: Tensor, v: Tensor, p: Tensor, u: Tensor, w: Tensor, shifted: bool
) -> Tensor:
    """One utterance, pair by pair of rows, in double."""
    rows, size = q.shape
    depth = size // HEADS
    heads = [one.double().view(-1, HEADS, depth) for one in (q, k, v, p)]
    out = torch.empty(rows, HEADS, depth, dtype=torch.float64)
    for h in range(HEADS):
        query, key, value, position = (one[:, h] for one in heads)
        by_content = (query + u[h].double()) @ key.T
        by_position = torch.zeros(rows, rows, dtype=torch.float64)
        for i in range(rows):
            for j in range(rows):
                if not shifted or j <= i:
                    by_position[i, j] = (query[i] + w[h]) @ position[rows - 1 - i + j]
                elif j >= i + 2:
                    by_position[i, j] = (query[i + 1] + w[h]) @ position[j - i - 2]
        weights = ((by_content + by_position) / math.sqrt(depth)).softmax(dim=-1)
        out[:, h] = weights @ value
    return out.view(rows, size)


def given(depth: int, shifted: bool) -> tuple[list[Tensor], Tensor, Tensor]:
    """q, k, v of strides of their own, p and biases; offsets; firsts."""
    generator = torch.Generator().manual_seed(depth)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    offsets = torch.tensor([0, *LENGTHS]).cumsum(0)
    q, k, v = random(int(offsets[-1]) + 5, 3 * HEADS * depth).split(HEADS * depth, dim=-1)
    counts = [n if shifted else max(2 * n - 1, 0) for n in LENGTHS]
    firsts = torch.tensor([0, *counts]).cumsum(0)
    p = random(int(firsts[-1]), HEADS * depth)
    biases = [random(HEADS, depth) for _ in range(2)]
    return [q, k, v, p, *biases], offsets, firsts[:-1]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("depth", [4, 16, 21])
def test_relative_attention(depth: int, shifted: bool) -> None:
    tensors, offsets, firsts = given(depth, shifted)
    q, k, v, p, u, w = tensors

    def attend(kind: torch.dtype = torch.float32) -> Tensor:
        rows = [one.to(kind) for one in (q, k, v, p)]
        return torch.ops.safeasr.relative_attention(*rows, u, w, HEADS, offsets, firsts, shifted)

    found = attend()
    with on_tensor_op_path():
        forced = attend()
    assert attend(torch.bfloat16).dtype == torch.bfloat16
    for i, rows in enumerate(LENGTHS):
        own = slice(int(offsets[i]), int(offsets[i]) + rows)
        first = int(firsts[i])
        positions = p[first : first + (rows if shifted else max(2 * rows - 1, 0))]
        expected = plain(q[own], k[own], v[own], positions, u, w, shifted)
        for one in (found, forced):
            assert torch.allclose(one[own].double(), expected, atol=2e-6, rtol=2e-6)
        # Nobody else's rows have a part in it.
        alone = torch.ops.safeasr.relative_attention(
            q[own], k[own], v[own], positions if rows else p[:1], u, w, HEADS,
            torch.tensor([0, rows]), torch.tensor([0]), shifted,
        )  # fmt: skip
        assert torch.equal(alone, found[own])
    for one in (found, forced):
        assert not one[int(offsets[-1]) :].any(), "padding must give zeros"


def test_shared_positions() -> None:
    """Utterances may read parts of one table."""
    tensors, _, _ = given(16, shifted=False)
    q, k, v, p, u, w = tensors
    offsets, longest = torch.tensor([0, 20, 30]), 20
    together = torch.ops.safeasr.relative_attention(
        q, k, v, p[: 2 * longest - 1], u, w, HEADS, offsets, torch.tensor([0, 10]), False
    )
    expected = plain(q[20:30], k[20:30], v[20:30], p[10 : 10 + 19], u, w, False)
    assert torch.allclose(together[20:30].double(), expected, atol=2e-6)


def test_what_does_not_fit() -> None:
    tensors, offsets, firsts = given(4, shifted=False)
    q, k, v, p, u, w = tensors

    def refused(match: str, **changed: object) -> None:
        inputs = {
            "q": q, "k": k, "v": v, "p": p, "u": u, "w": w, "heads": HEADS, "offsets": offsets,
            "firsts": firsts, "shifted": False, **changed,
        }  # fmt: skip
        with pytest.raises(RuntimeError, match=match):
            torch.ops.safeasr.relative_attention(*inputs.values())

    refused("has no positions", p=p[:-1])
    refused("has no positions", firsts=firsts - 1)
    refused("heads, got", heads=5)
    refused("biases", u=u[:2])
    refused("must rise", offsets=offsets.flip(0))
    refused("must rise", firsts=firsts[:-1])
    refused("int64 on the CPU", offsets=offsets.int())
    refused("heads, got", k=k[:-1])


def test_gates() -> None:
    """Swish and gated linear units, of any size, with the same bits wherever a number stands."""
    generator = torch.Generator().manual_seed(1)
    for rows, size in ((1, 1), (3, 7), (5, 16), (70, 33)):
        both = 30 * torch.randn(rows, 2 * size, generator=generator)
        value, gate = both.split(size, dim=-1)
        expected = value.double() * gate.double().sigmoid()
        found = torch.ops.safeasr.gate(value, gate)
        with on_tensor_op_path():
            forced = torch.ops.safeasr.gate(value, gate)
        for one in (found, forced):
            assert torch.allclose(one.double(), expected, atol=1e-6, rtol=1e-6)
        single = [
            torch.ops.safeasr.gate(value[r : r + 1, c : c + 1], gate[r : r + 1, c : c + 1])
            for r in range(rows)
            for c in range(size)
        ]
        assert torch.equal(torch.cat(single).view(rows, size), found)
    odd = torch.tensor([[float("inf"), -float("inf"), float("nan"), 0.0, 100.0, -100.0]])
    swished = torch.ops.safeasr.gate(odd, odd)[0]
    assert swished[0] == float("inf") and swished[2].isnan() and swished[3] == 0.0
    assert swished[4] == 100.0 and abs(float(swished[5])) < 1e-30
    with pytest.raises(RuntimeError, match="of one type"):
        torch.ops.safeasr.gate(odd, odd.double())


def test_encodings_of_distances() -> None:
    rates = torch.exp(torch.arange(0, 10, 2) * -(math.log(10000.0) / 10))
    numbers = torch.tensor([0.0, 1.0, -7.0, 4999.0])
    angles = numbers[:, None].double() * rates.double()
    expected = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
    found = torch.ops.safeasr.encode_distances(numbers, rates)
    with on_tensor_op_path():
        forced = torch.ops.safeasr.encode_distances(numbers, rates)
    for one in (found, forced):
        assert torch.allclose(one.double(), expected, atol=5e-4)
        assert torch.allclose(one[:3].double(), expected[:3], atol=1e-6)
