"""Attention of ragged batches by tensor operations, as devices run it, on CPU tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from support.ragged import OperatorCount, in_slabs, on_tensor_op_path
from test_chunk_ops import Batch, offsets, random_batch, reference

ops = torch.ops.safeasr
BOUNDS = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-12},
    torch.float32: {"rtol": 1e-5, "atol": 1e-5},
    torch.bfloat16: {"rtol": 0.05, "atol": 0.03},
    torch.float16: {"rtol": 5e-3, "atol": 5e-3},
}
TYPES = list(BOUNDS)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("slabs", [1, 3])
@pytest.mark.parametrize("streams", [1, 6, 40])
def test_rings_in_slabs(streams: int, slabs: int, dtype: torch.dtype) -> None:
    """Rings that begin anywhere and wrap: the right rows are read, and written, and no others."""
    for seed in range(4):
        b = random_batch(seed, streams=streams, heads=2, depth=12, dtype=dtype, tight=seed % 2 == 1)
        expected, rings = reference(b)
        caches, spans, where = in_slabs(b.caches, b.spans, slabs, seed)
        before = [cache.clone() for cache in caches]
        got = b.run(caches=caches, spans=spans)
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), expected, **BOUNDS[dtype])
        for ring, (cache, first) in zip(rings, where, strict=True):
            part = slice(first, first + ring.size(2))
            assert torch.equal(caches[cache][:, :, part], ring)
            before[cache][:, :, part] = ring
        for cache, wanted in zip(caches, before, strict=True):
            assert torch.equal(cache.nan_to_num(7), wanted.nan_to_num(7))
        # Again: what the step wrote lies outside what the spans name.
        assert torch.equal(b.run(caches=caches, spans=spans), got)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_as_the_kernels(dtype: torch.dtype) -> None:
    for seed in range(8):
        b = random_batch(seed, streams=9, heads=4, depth=16, dtype=dtype)
        others = [ring.clone() for ring in b.caches]
        expected = b.run()
        with on_tensor_op_path():
            got = b.run(caches=others)
        torch.testing.assert_close(got, expected, **BOUNDS[dtype])
        assert all(torch.equal(a, c) for a, c in zip(b.caches, others, strict=True))


LENGTHS = [[1], [5, 33, 2], [31, 31, 31], [0, 47, 0], [0, 0], [400, 3, 5, 2, 1], [64] * 7, []]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("rest", [0, 3])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_recordings(lengths: list[int], rest: int, dtype: torch.dtype) -> None:
    """Without caches; equal lengths, none, one that is much longer; rows of nobody behind."""
    rows = sum(lengths) + rest
    q, k, v = torch.randn(rows, 3 * 24).to(dtype).split(24, dim=1)
    ends = offsets(lengths)
    expected = ops.ragged_attention(q.float(), k.float(), v.float(), 2, ends, ends, [], ends, 0)
    with on_tensor_op_path():
        got = ops.ragged_attention(q, k, v, 2, ends, ends, [], ends, 0)
    assert got.shape == (rows, 24) and not got[sum(lengths) :].any()
    torch.testing.assert_close(got.float(), expected, **BOUNDS[dtype])


def test_tokens_look_at_rows(tensor_op_path: None) -> None:
    """Another number of queries than of keys; streams without either."""
    queries, keys = [0, 3, 9, 1, 4, 70], [12, 200, 7, 31, 0, 5]
    q, k, v = torch.randn(sum(queries), 16), *torch.randn(2, sum(keys), 16)
    qo, ko = offsets(queries), offsets(keys)
    got = ops.ragged_attention(q, k, v, 4, qo, ko, [], qo, 0)
    for i, count in enumerate(queries):
        part, seen = slice(int(qo[i]), int(qo[i]) + count), slice(int(ko[i]), int(ko[i + 1]))
        if not keys[i]:
            assert not got[part].any()
            continue
        by_head = [x.unflatten(1, (4, 4)).transpose(0, 1) for x in (q[part], k[seen], v[seen])]
        expected = torch.nn.functional.scaled_dot_product_attention(*by_head)
        torch.testing.assert_close(got[part], expected.transpose(0, 1).flatten(1))


def test_nobody_looks_at_a_neighbour(tensor_op_path: None) -> None:
    b = random_batch(11, streams=12, heads=3, depth=24, dtype=torch.float32)
    caches, spans, where = in_slabs(b.caches, b.spans, 1, 0)
    together = b.run(caches=caches, spans=spans)
    keys, values = b.k.clone(), b.v.clone()
    keys[: int(b.key_offsets[1])] = values[: int(b.key_offsets[1])] = float("nan")
    cache, first = where[0]
    caches[cache][:, :, first : first + b.caches[0].size(2)] = float("nan")
    mine = int(b.query_offsets[1])
    got = b.run(k=keys, v=values, caches=caches, spans=spans)
    assert torch.equal(got[mine:], together[mine:])


def calls(streams: int, *, cached: bool) -> int:
    """Operators that a layer of so many streams calls when the plan is there."""
    lengths = [40 + 7 * (i % 5) for i in range(streams)]
    rows, ends = sum(lengths), offsets(lengths)
    q, k, v = torch.randn(3, rows, 16)
    caches = [torch.randn(1, 2, streams * 64, 16)] if cached else []
    spans = torch.tensor([[60, 30, 20, 0, 64 * i, 64] for i in range(streams)])
    arguments = (q, k, v, 2, ends, ends, caches, spans, 0)
    ops.ragged_attention(*arguments)
    with OperatorCount() as count:
        ops.ragged_attention(*arguments)
    return count.total


@pytest.mark.parametrize("cached", [False, True])
def test_calls_do_not_grow_with_streams(cached: bool, tensor_op_path: None) -> None:
    few = calls(5, cached=cached)
    assert few <= (12 if cached else 8)
    assert calls(300, cached=cached) == few


def test_plans_are_shared_by_layers_only(tensor_op_path: None) -> None:
    """The memo answers for equal numbers, whatever tensors hold them; never for others."""
    q = torch.randn(20, 8)
    for _ in range(3):
        for lengths in ([4, 16], [10, 10], [16, 4], [20], [4, 16], [1] * 20):
            ends = offsets(lengths)
            got = ops.ragged_attention(q, q, q, 1, ends, ends, [], ends, 0)
            parts = [ops.ragged_attention(x, x, x, 1, *[offsets([len(x)])] * 2, [], ends, 0)
                     for x in q.split(lengths)]  # fmt: skip
            torch.testing.assert_close(got, torch.cat(parts))
            ends.zero_()  # nobody holds on to them


WRONG_RINGS: list[list[int]] = [
    [0, 2, 3, 1, 0, 5],  # no such cache
    [0, 2, 3, -2, 0, 5],
    [0, 2, 3, -1, 0, 5],  # rows without a cache
    [0, 2, 3, 0, 6, 5],  # beyond the slab
    [0, 2, 3, 0, -1, 5],
    [0, 2, 3, 0, 0, 4],  # more than the ring holds
    [5, 1, 0, 0, 0, 5],
]


@pytest.mark.parametrize("span", WRONG_RINGS, ids=str)
def test_wrong_rings_in_slabs(span: list[int]) -> None:
    b = Batch(
        torch.zeros(4, 8), torch.zeros(6, 8), torch.zeros(6, 8), 2, torch.tensor([0, 4]),
        torch.tensor([0, 6]), [torch.zeros(1, 2, 10, 8)], torch.tensor([[0, 2, 3, 0, 5, 5]]), 0,
    )  # fmt: skip
    assert b.run().shape == (4, 8)
    with pytest.raises(RuntimeError, match=r"ragged_attention: a (ring|span)"):
        b.run(spans=torch.tensor([span]))


# Kernels for rows of several lengths are torch's and there are none for the CPU; so here are some.
_SCHEMA = (
    "(Tensor query, Tensor key, Tensor value, Tensor? cum_seq_q, Tensor? cum_seq_k, SymInt max_q, "
    "SymInt max_k, float dropout_p, bool is_causal, bool return_debug_mask, *, "
    "float? scale=None{more}) -> (Tensor, Tensor)"
)
_BATCHED = (
    "(Tensor query, Tensor key, Tensor value, Tensor? bias, Tensor? cu_seqlens_q, "
    "Tensor? cu_seqlens_k, SymInt? max_seqlen_q, SymInt? max_seqlen_k, float dropout_p, "
    "int custom_mask_type, bool compute_log_sumexp=False, *, float? scale=None) "
    "-> (Tensor, Tensor)"
)
used: list[str] = []


def _by_stream(q: Tensor, k: Tensor, v: Tensor, qe: Tensor, ke: Tensor, mq: int, mk: int) -> Tensor:
    assert qe.dtype == ke.dtype == torch.int32
    assert int(qe.diff().max()) == mq and int(ke.diff().max()) == mk
    assert int(qe[-1]) == len(q) and int(ke[-1]) == len(k)
    parts = []
    for i in range(len(qe) - 1):
        rows = (x[a[i] : a[i + 1]].transpose(0, 1) for x, a in ((q, qe), (k, ke), (v, ke)))
        parts.append(torch.nn.functional.scaled_dot_product_attention(*rows).transpose(0, 1))
    return torch.cat(parts)


@pytest.fixture(scope="module")
def kernels() -> Iterator[None]:
    library = torch.library.Library("safeasr_test", "DEF")

    def define(name: str, schema: str, function: Callable[..., Any]) -> None:
        def counted(*arguments: Any, **named: Any) -> Any:
            used.append(name)
            return function(*arguments, **named)

        library.define(name + schema)
        library.impl(name, counted, "CPU")

    def good(q, k, v, qe, ke, mq, mk, dropout, causal, debug, *, scale=None):  # type: ignore[no-untyped-def]
        assert (dropout, causal, debug, scale) == (0.0, False, False, None)
        return _by_stream(q, k, v, qe, ke, mq, mk), q

    def batched(q, k, v, bias, qe, ke, mq, mk, dropout, kind, log=False, *, scale=None):  # type: ignore[no-untyped-def]
        assert (bias, dropout, kind, log, scale) == (None, 0.0, 0, False, None)
        return _by_stream(q[0], k[0], v[0], qe, ke, mq, mk).unsqueeze(0), q

    def off(*arguments: Any, **named: Any) -> Any:
        return good(*arguments, **named)[0] * 1.01, arguments[0]

    def broken(*arguments: Any, **named: Any) -> Any:
        raise RuntimeError("no kernel image is available")

    def nan(*arguments: Any, **named: Any) -> Any:
        return torch.full_like(arguments[0], float("nan")), arguments[0]

    define("good", _SCHEMA.format(more=""), good)
    define("batched", _BATCHED, batched)
    define("off", _SCHEMA.format(more=""), off)
    define("broken", _SCHEMA.format(more=""), broken)
    define("nan", _SCHEMA.format(more=""), nan)
    define("newer", _SCHEMA.format(more=", int? block=None"), lambda *given, **named: good(*given))
    define("other", _SCHEMA.format(more=", int block"), good)
    yield
    library._destroy()


def attend_by(b: Batch, way: str, **changed: Any) -> Tensor:
    return ops.ragged_attention_by(*{**vars(b), **changed}.values(), way)


@pytest.mark.parametrize("name", ["good", "batched"])
def test_kernels_that_know_lengths(name: str, kernels: None) -> None:
    """With rings and without, in slabs; rows come packed, without padding."""
    for seed in range(6):
        b = random_batch(seed, streams=7, heads=2, depth=12, dtype=torch.float32)
        expected, rings = reference(b)
        caches, spans, where = in_slabs(b.caches, b.spans, 2, seed)
        used.clear()
        got = attend_by(b, f"safeasr_test::{name}", caches=caches, spans=spans)
        assert used[-1:] == [name] and len(used) <= 2  # the trial, once
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
        for ring, (cache, first) in zip(rings, where, strict=True):
            assert torch.equal(caches[cache][:, :, first : first + ring.size(2)], ring)
    lengths = [5, 0, 33, 2]
    q, k, v = torch.randn(43, 3 * 24).split(24, dim=1)  # three rows of nobody
    ends = offsets(lengths)
    plain = ops.ragged_attention(q, k, v, 2, ends, ends, [], ends, 0)
    got = ops.ragged_attention_by(q, k, v, 2, ends, ends, [], ends, 0, f"safeasr_test::{name}")
    torch.testing.assert_close(got, plain, rtol=1e-5, atol=1e-5)
    # Who asks and has nothing to look at goes by padding.
    used.clear()
    none = offsets([0, 0, 40, 0])
    ops.ragged_attention_by(q, k, v, 2, ends, none, [], ends, 0, f"safeasr_test::{name}")
    assert not used


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("off", "is off by"),
        ("nan", "is off by"),
        ("broken", "does not work here.*no kernel image"),
        ("other", "does not work here.*wants block"),
        ("missing", "does not work here.*this torch has no"),
    ],
)
def test_kernels_that_are_no_good_are_given_up(
    name: str, warning: str, kernels: None, capfd: pytest.CaptureFixture[str]
) -> None:
    """Tried once on an example, given up with a warning; the answer is right all the same."""
    b = random_batch(2, streams=5, heads=1, depth=8, dtype=torch.float32)
    expected, _ = reference(b)
    way = f"safeasr_test::{name}"
    # Torch writes warnings of its threads to standard error, and so of operators.
    got = attend_by(b, way)
    said = capfd.readouterr().err
    assert re.search(f"(?s){way} {warning}", said) and "goes by padding" in said
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
    used.clear()
    assert torch.equal(attend_by(b, way), got)
    assert not used and not capfd.readouterr().err


def test_kernels_with_new_arguments(kernels: None) -> None:
    """An argument that has a default is none of our business."""
    b = random_batch(4, streams=5, heads=1, depth=8, dtype=torch.float32)
    expected, _ = reference(b)
    used.clear()
    got = attend_by(b, "safeasr_test::newer")
    assert used == ["newer", "newer"]
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
