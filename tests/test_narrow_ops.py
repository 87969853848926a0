"""Operators between linear layers of reduced precision, and the 8 bit layer itself."""

from __future__ import annotations

import pytest
import torch

import safeasr  # noqa: F401  (registers the operators)
from safeasr import _ext

ops = torch.ops.safeasr


@pytest.mark.parametrize("size", [1, 7, 16, 48, 512, 560, 2048])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("narrow", [False, True])
def test_norms(size: int, kind: torch.dtype, narrow: bool) -> None:
    torch.manual_seed(size)
    x, update = torch.randn(33, size) * 3, torch.randn(33, size).to(kind)
    weight, bias = torch.randn(size), torch.randn(size)
    total, normed = ops.add_norm(x, update, weight, bias, 1e-5, narrow)
    assert torch.equal(total, x + update)
    expected = torch.nn.functional.layer_norm(total, (size,), weight, bias, 1e-5)
    close = {"rtol": 1e-2, "atol": 1e-2} if narrow else {"rtol": 1e-5, "atol": 1e-5}
    assert normed.dtype == (torch.bfloat16 if narrow else torch.float32)
    torch.testing.assert_close(normed.float(), expected, **close)
    of_one = ops.norm(update, weight, bias, 1e-5, narrow)
    expected = torch.nn.functional.layer_norm(update.float(), (size,), weight, bias, 1e-5)
    torch.testing.assert_close(of_one.float(), expected, **close)
    # A row in any company, and by the operations of other devices.
    for row in (0, 17, 32):
        one = ops.add_norm(x[row : row + 1], update[row : row + 1], weight, bias, 1e-5, narrow)
        assert torch.equal(one[1][0], normed[row])
    strided = torch.stack([x, x], dim=2)[:, :, 0]
    torch.testing.assert_close(
        ops.norm(strided, weight, bias, 1e-5, False), ops.norm(x, weight, bias, 1e-5, False),
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip


def test_norms_refuse_what_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match="norm expects"):
        ops.norm(torch.zeros(2, 8), torch.ones(7), torch.ones(7), 1e-5, False)
    with pytest.raises(RuntimeError, match="add_norm expects"):
        ops.add_norm(
            torch.zeros(2, 8), torch.zeros(3, 8), torch.ones(8), torch.ones(8), 1e-5, False
        )
    assert ops.norm(torch.zeros(0, 8), torch.ones(8), torch.ones(8), 1e-5, True).shape == (0, 8)


def layer(
    out: int, size: int, bias: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    weight = torch.randint(-127, 128, (out, size), dtype=torch.int8)
    return weight, torch.rand(out) * 0.01 + 0.001, torch.randn(out) if bias else None


@pytest.mark.parametrize("rows", [1, 2, 31, 128, 129, 300])
@pytest.mark.parametrize(("size", "out"), [(64, 32), (560, 96), (24, 40)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("relu", [False, True])
def test_int8_linear(rows: int, size: int, out: int, kind: torch.dtype, relu: bool) -> None:
    """Packed for oneDNN as by tensor operations, which is nearly the exact product."""
    if not _ext.cpu_supports("int8"):
        pytest.skip("this processor has no instructions for int8")
    torch.manual_seed(rows)
    weight, scale, bias = layer(out, size, bias=not relu)
    x = (torch.randn(rows, size) * torch.logspace(-4, 4, rows).unsqueeze(1)).to(kind)
    x[rows // 2] = 0
    reference = ops.int8_linear(x, weight, scale, bias, relu)
    packed = torch.ops.onednn.qlinear_prepack(weight, [128, size])
    sums = weight.sum(1).float() * scale
    zeros = torch.zeros(out, dtype=torch.int32)

    def run(some: torch.Tensor) -> torch.Tensor:
        return ops.int8_linear_packed(some, packed, scale, sums, zeros, bias, relu)

    got = run(x)
    assert got.dtype == torch.bfloat16
    exact = x.float() @ (weight.float() * scale.unsqueeze(1)).t()
    exact = exact if bias is None else exact + bias
    exact = exact.relu() if relu else exact
    size_of_rows = exact.abs().amax(1, keepdim=True) + 1e-6
    assert ((got.float() - reference.float()).abs() / size_of_rows).max() < 0.01
    assert ((got.float() - exact).abs() / size_of_rows).max() < 0.05
    for row in {0, rows // 2, rows - 1}:  # in any company the same bits
        assert torch.equal(run(x[row : row + 1])[0], got[row])


def test_int8_linear_refuses_what_does_not_fit() -> None:
    weight, scale, bias = layer(8, 16, bias=True)
    with pytest.raises(RuntimeError, match="int8_linear expects"):
        ops.int8_linear(torch.zeros(2, 15), weight, scale, bias, False)
    with pytest.raises(RuntimeError, match="int8_linear expects"):
        ops.int8_linear(torch.zeros(2, 16), weight.float(), scale, bias, False)


@pytest.mark.parametrize("depth", [16, 24, 128])
@pytest.mark.parametrize("lengths", [[1], [5, 33, 2], [31, 32, 100], [0, 47]])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_attention_of_recordings(depth: int, lengths: list[int], kind: torch.dtype) -> None:
    """Without caches, few queries and many, rows of padding behind them."""
    torch.manual_seed(depth)
    heads, rows = 2, sum(lengths) + 3
    size = heads * depth
    qkv = torch.randn(rows, 3 * size).to(kind)
    q, k, v = qkv.split(size, dim=1)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    got = ops.ragged_attention(q, k, v, heads, offsets, offsets, [], offsets, 0)
    assert got.dtype == kind and not got[sum(lengths) :].any()
    bounds = {"rtol": 2e-5, "atol": 2e-5} if kind == torch.float32 else {"rtol": 0.05, "atol": 0.03}
    for first, length in zip(offsets.tolist(), lengths, strict=False):
        part = slice(first, first + length)

        def by_head(x: torch.Tensor) -> torch.Tensor:
            return x[part].float().view(length, heads, depth).transpose(0, 1)  # noqa: B023

        expected = torch.nn.functional.scaled_dot_product_attention(
            by_head(q), by_head(k), by_head(v)
        )
        expected = expected.transpose(0, 1).reshape(length, size)
        torch.testing.assert_close(got[part].float(), expected, **bounds)
        own = torch.tensor([0, length])
        alone = ops.ragged_attention(q[part], k[part], v[part], heads, own, own, [], own, 0)
        assert torch.equal(alone, got[part])


def test_positions_and_weights_of_rows() -> None:
    positions = torch.arange(1.0, 400.0)
    got = ops.encode_positions(positions, 560)
    on_others = ops.encode_positions(positions.double(), 560).float()
    torch.testing.assert_close(got, on_others, rtol=0, atol=3e-5)
    assert torch.equal(ops.encode_positions(positions[37:38], 560)[0], got[37])
    x, weight, bias = torch.randn(77, 512), torch.randn(1, 512) * 0.05, torch.randn(1)
    alphas = ops.cif_weights(x, weight, bias, 1.2, 0.02)
    expected = torch.relu(torch.sigmoid(x @ weight[0] + bias) * 1.2 - 0.02)
    torch.testing.assert_close(alphas, expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(ops.cif_weights(x[5:6], weight, bias, 1.2, 0.02)[0], alphas[5])
