"""The operators of ragged batches of streams against plain torch, one stream at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import safeasr._extension  # noqa: F401  (registers the operators)

attend = torch.ops.safeasr.ragged_attention
remember = torch.ops.safeasr.ragged_memory


@dataclass
class Batch:
    """Streams of an attention step; of each its span in its ring."""

    q: Tensor
    k: Tensor
    v: Tensor
    heads: int
    query_offsets: Tensor
    key_offsets: Tensor
    caches: list[Tensor]
    spans: Tensor
    layer: int

    def run(self, **changed: Any) -> Tensor:
        """The operator's answer, some arguments replaced."""
        arguments = {**vars(self), **changed}
        return attend(*arguments.values())


def offsets(counts: list[int]) -> Tensor:
    return torch.tensor([0, *counts]).cumsum(0)


def random_batch(
    seed: int, *, streams: int, heads: int, depth: int, dtype: torch.dtype, tight: bool = False
) -> Batch:
    """Ragged streams; rings that begin anywhere, some of capacity 0, some full to the last row."""
    rng = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=rng))

    size, layers = heads * depth, 3
    queries = [number(0, 9) for _ in range(streams)]
    keys = [number(1, 23) for _ in range(streams)]
    caches, spans = [], []
    for i in range(streams):
        held = number(0, 30)
        append = number(0, keys[i])
        spare = 0 if tight else number(0, 5)
        if i % 4 == 3:
            held = append = spare = 0
        capacity = held + append + spare
        start = number(0, capacity - 1) if capacity else 0
        spans.append([start, held, append])
        caches.append(torch.randn(layers, 2, capacity, size, generator=rng, dtype=dtype))
    rows = sum(keys)
    # As in the encoder: thirds of a wider tensor, so rows are not adjacent.
    k, v = torch.randn(rows, 3 * size, generator=rng, dtype=dtype).split(size, dim=-1)[:2]
    return Batch(
        q=torch.randn(sum(queries), 2 * size, generator=rng, dtype=dtype)[:, size:],
        k=k,
        v=v,
        heads=heads,
        query_offsets=offsets(queries),
        key_offsets=offsets(keys),
        caches=caches,
        spans=torch.tensor(spans).view(-1, 3),
        layer=number(0, layers - 1),
    )


def reference(b: Batch) -> tuple[Tensor, list[Tensor]]:
    """What the queries get, and what the rings hold afterwards; in double precision."""
    out, rings = [], []
    for i, (start, held, append) in enumerate(b.spans.tolist()):
        ring = b.caches[i].clone()
        capacity = ring.size(2)
        old = [(start + t) % capacity for t in range(held)]
        new = [(start + held + t) % capacity for t in range(append)]
        part = slice(int(b.key_offsets[i]), int(b.key_offsets[i + 1]))
        k, v = (
            torch.cat([ring[b.layer, n][old], rows[part]]).double().unflatten(1, (b.heads, -1))
            for n, rows in enumerate((b.k, b.v))
        )
        q = b.q[int(b.query_offsets[i]) : int(b.query_offsets[i + 1])].double()
        scores = torch.einsum("qhd,khd->hqk", q.unflatten(1, (b.heads, -1)), k) / k.size(2) ** 0.5
        out.append(torch.einsum("hqk,khd->qhd", scores.softmax(-1), v).flatten(1))
        ring[b.layer, 0, new], ring[b.layer, 1, new] = b.k[part][:append], b.v[part][:append]
        rings.append(ring)
    return torch.cat(out), rings


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernel", "operations"])
@pytest.mark.parametrize(("heads", "depth"), [(4, 16), (1, 64), (2, 7), (3, 33), (4, 128), (1, 1)])
@pytest.mark.parametrize("streams", [1, 2, 9])
def test_attention(heads: int, depth: int, streams: int, dtype: torch.dtype) -> None:
    """Wrong rows, masks, scales or heads; rows of a neighbour; what is written and where."""
    for seed in range(6):
        b = random_batch(
            seed, streams=streams, heads=heads, depth=depth, dtype=dtype, tight=seed % 2 == 1
        )
        expected, rings = reference(b)
        got = b.run()
        assert got.dtype == dtype
        error = 1e-5 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(got.double(), expected, rtol=error, atol=error)
        for ring, wanted in zip(b.caches, rings):
            # Rows that the span names, those of other layers, and all beyond what is appended.
            assert torch.equal(ring, wanted)


def test_a_step_can_be_run_again() -> None:
    """Nothing that the span names is written to: the state changes when the span moves."""
    b = random_batch(3, streams=8, heads=4, depth=16, dtype=torch.float32, tight=True)
    first = b.run()
    held = [ring.clone() for ring in b.caches]
    assert torch.equal(b.run(), first)
    assert all(torch.equal(a, c) for a, c in zip(held, b.caches))


def test_steps_go_round_the_ring() -> None:
    """50 steps through a ring of 24 rows equal attention to the last rows of the whole stream."""
    rng = torch.Generator().manual_seed(5)
    heads, size, capacity, window = 2, 40, 24, 16
    ring = torch.full((1, 2, capacity, size), float("nan"))  # rows never written: nobody may look
    past = torch.zeros(2, 0, size)
    start = held = 0
    for _ in range(50):
        rows = int(torch.randint(1, 9, (), generator=rng))
        q, k, v = torch.randn(3, rows, size, generator=rng)
        ends = torch.tensor([0, rows])
        got = attend(q, k, v, heads, ends, ends, [ring], torch.tensor([[start, held, rows]]), 0)
        past = torch.cat([past, torch.stack([k, v])], dim=1)
        seen = past[:, -(held + rows) :].unflatten(2, (heads, -1)).transpose(1, 2)
        expected = functional.scaled_dot_product_attention(
            q.unflatten(1, (heads, -1)).transpose(0, 1), seen[0], seen[1]
        )
        torch.testing.assert_close(got, expected.transpose(0, 1).flatten(1), rtol=1e-5, atol=1e-5)
        held += rows
        if held > window:
            start, held = (start + held - window) % capacity, window


def test_streams_do_not_look_at_each_other() -> None:
    """Bit by bit the same alone and in company, even beside a stream of NaN."""
    b = random_batch(11, streams=7, heads=3, depth=24, dtype=torch.float32)
    together = b.run()
    for i in range(7):
        q = slice(int(b.query_offsets[i]), int(b.query_offsets[i + 1]))
        k = slice(int(b.key_offsets[i]), int(b.key_offsets[i + 1]))
        alone = attend(
            b.q[q], b.k[k], b.v[k], 3, torch.tensor([0, q.stop - q.start]),
            torch.tensor([0, k.stop - k.start]), [b.caches[i]], b.spans[i : i + 1], b.layer,
        )  # fmt: skip
        assert torch.equal(alone, together[q])
    others = b.k.clone()
    others[: int(b.key_offsets[1])] = float("nan")
    first = int(b.query_offsets[1])
    assert torch.equal(b.run(k=others)[first:], together[first:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_to_ask_or_nobody(dtype: torch.dtype) -> None:
    """No query, no row to attend to, no stream at all."""
    none, some = torch.zeros(0, 8, dtype=dtype), torch.randn(3, 8, dtype=dtype)
    ring = torch.zeros(1, 2, 4, 8, dtype=dtype)
    ends, span = torch.tensor([0, 3]), torch.tensor([[1, 0, 3]])
    assert attend(none, some, some, 2, torch.tensor([0, 0]), ends, [ring], span, 0).shape == (0, 8)
    assert torch.equal(ring[0, 0, 1:], some)  # the keys are kept all the same
    nothing = torch.zeros(1, 2, 0, 8, dtype=dtype)
    zero = torch.tensor([[0, 0, 0]])
    answer = attend(some, none, none, 2, ends, torch.tensor([0, 0]), [nothing], zero, 0)
    assert answer.shape == (3, 8)
    assert torch.isfinite(answer).all()


WRONG_ATTENTION: list[tuple[dict[str, Any], str]] = [
    ({"q": torch.zeros(4, 8, 1)}, "expects q"),
    ({"q": torch.zeros(4, 6)}, "expects q"),
    ({"v": torch.zeros(5, 8)}, "expects q"),
    ({"heads": 3}, "heads do not divide"),
    ({"heads": 0}, "heads do not divide"),
    ({"query_offsets": torch.tensor([0, 5])}, "must rise from 0, at most to 4"),
    ({"query_offsets": torch.tensor([1, 4])}, "must rise from 0, at most to 4"),
    ({"query_offsets": torch.tensor([0, 5, 4])}, "must rise from 0, at most to 4"),
    ({"query_offsets": torch.tensor([0, 4], dtype=torch.int32)}, "int64 on the CPU"),
    ({"key_offsets": torch.tensor([0, 2, 6])}, "streams by queries"),
    ({"spans": torch.zeros(2, 3, dtype=torch.int64)}, "spans"),
    ({"spans": torch.zeros(1, 3)}, "spans"),
    ({"spans": torch.tensor([[0, 4, 2]])}, "does not fit a ring of 5"),
    ({"spans": torch.tensor([[0, 0, 7]])}, "does not fit a ring of 5"),
    ({"spans": torch.tensor([[5, 1, 0]])}, "does not fit a ring of 5"),
    ({"spans": torch.tensor([[-1, 1, 0]])}, "does not fit a ring of 5"),
    ({"spans": torch.tensor([[0, -1, 0]])}, "does not fit a ring of 5"),
    ({"spans": torch.tensor([[0, 3, -2]])}, "does not fit a ring of 5"),
    ({"caches": [torch.zeros(1, 2, 5, 8)] * 2}, "one cache a stream"),
    ({"caches": [torch.zeros(1, 2, 5, 4)]}, "expects caches"),
    ({"caches": [torch.zeros(1, 1, 5, 8)]}, "expects caches"),
    ({"caches": [torch.zeros(1, 2, 5, 8, dtype=torch.float64)]}, "expects caches"),
    ({"caches": [torch.zeros(1, 2, 8, 5).transpose(2, 3)]}, "expects caches"),
    ({"layer": 1}, "expects caches"),
    ({"layer": -1}, "expects caches"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG_ATTENTION)
def test_wrong_arguments_of_attention(changed: dict[str, Any], message: str) -> None:
    ring = torch.zeros(1, 2, 5, 8)
    b = Batch(
        torch.zeros(4, 8), torch.zeros(6, 8), torch.zeros(6, 8), 2, torch.tensor([0, 4]),
        torch.tensor([0, 6]), [ring], torch.tensor([[0, 2, 3]]), 0,
    )  # fmt: skip
    assert b.run().shape == (4, 8)
    with pytest.raises(RuntimeError, match=message):
        b.run(**changed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_nobody(dtype: torch.dtype) -> None:
    """Padding behind the last stream: zeros come out, and the streams' rows stay what they are."""
    g = torch.Generator().manual_seed(5)
    x = torch.randn(8, 32, generator=g, dtype=dtype)
    taps = torch.randn(3, 32, generator=g, dtype=dtype)
    offsets, caches = torch.tensor([0, 2, 5]), [torch.zeros(1, 2, 0, 32, dtype=dtype)] * 2
    spans = torch.zeros(2, 3, dtype=torch.int64)
    memory, attention = torch.ops.safeasr.ragged_memory, torch.ops.safeasr.ragged_attention
    whole = memory(x, taps, 1, offsets, x, [], [], 0)
    assert torch.equal(whole[:5], memory(x[:5], taps, 1, offsets, x[:5], [], [], 0))
    assert not whole[5:].any()
    whole = attention(x, x, x, 2, offsets, offsets, caches, spans, 0)
    alone = attention(x[:5], x[:5], x[:5], 2, offsets, offsets, caches, spans, 0)
    assert torch.equal(whole[:5], alone)
    assert not whole[5:].any()
