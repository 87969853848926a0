"""The FSMN memory operator against a plain depthwise convolution."""

from __future__ import annotations

import pytest
import torch

import safeasr  # noqa: F401  (registers the operator)


def reference(x, taps, left, mask=None, residual=None):
    v = x if mask is None else x * mask
    padded = torch.nn.functional.pad(v.transpose(1, 2), (left, taps.size(0) - 1 - left))
    weight = taps.t().unsqueeze(1)
    y = torch.nn.functional.conv1d(padded, weight, groups=x.size(2)).transpose(1, 2) + v
    return y if residual is None else y + residual


@pytest.mark.parametrize("size", [1, 7, 64, 65, 192, 512])
@pytest.mark.parametrize("frames", [1, 4, 11, 130])
@pytest.mark.parametrize(("kernel", "left"), [(11, 5), (11, 10), (1, 0), (21, 0)])
def test_equal_to_a_convolution(size: int, frames: int, kernel: int, left: int) -> None:
    g = torch.Generator().manual_seed(size * 1000 + frames * 10 + kernel + left)
    # As in the encoder: a third of a wider tensor, so rows are not adjacent.
    x = torch.randn(3, frames, 3 * size, generator=g).split(size, dim=-1)[2]
    taps = torch.randn(kernel, size, generator=g)
    residual = torch.randn(3, frames, size, generator=g)
    lengths = torch.tensor([frames, max(1, frames // 2), 1])
    mask = (torch.arange(frames) < lengths[:, None]).float().unsqueeze(2)
    for m in (None, mask):
        for r in (None, residual):
            got = torch.ops.safeasr.fsmn_memory(x, taps, left, m, r)
            torch.testing.assert_close(got, reference(x, taps, left, m, r), rtol=1e-5, atol=2e-5)


def test_padding_has_no_influence() -> None:
    x = torch.randn(1, 20, 64)
    taps = torch.randn(11, 64)
    alone = torch.ops.safeasr.fsmn_memory(x, taps, 5, None, None)
    padded = torch.cat([x, torch.full((1, 9, 64), float("nan"))], dim=1)
    mask = (torch.arange(29) < 20).float().reshape(1, 29, 1)
    together = torch.ops.safeasr.fsmn_memory(padded, taps, 5, mask, None)
    assert torch.equal(alone, together[:, :20])


def test_other_types_run_by_tensor_operations() -> None:
    x = torch.randn(2, 30, 48, dtype=torch.float64)
    taps = torch.randn(11, 48, dtype=torch.float64)
    got = torch.ops.safeasr.fsmn_memory(x, taps, 5, None, x)
    torch.testing.assert_close(got, reference(x, taps, 5, None, x))


@pytest.mark.parametrize(
    ("x", "taps", "left"),
    [
        ((2, 3), (11, 3), 5),
        ((1, 3, 4), (11, 5), 5),
        ((1, 3, 4), (11, 4), 11),
        ((1, 3, 4), (11, 4), -1),
    ],
)
def test_wrong_shapes_are_refused(x: tuple[int, ...], taps: tuple[int, ...], left: int) -> None:
    with pytest.raises(RuntimeError, match="fsmn_memory"):
        torch.ops.safeasr.fsmn_memory(torch.zeros(x), torch.zeros(taps), left, None, None)
