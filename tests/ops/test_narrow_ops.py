"""Attention of recordings in both types, positions and weights of rows."""

from __future__ import annotations

import pytest
import torch

import safeasr._extension  # noqa: F401  (registers the operators)

ops = torch.ops.safeasr


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
