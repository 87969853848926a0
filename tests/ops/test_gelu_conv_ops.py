"""safeasr::gelu_ and safeasr::grouped_conv, against torch's, and in any company."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import safeasr._extension  # noqa: F401  (registers the operators)
from support.ragged import on_tensor_op_path

gelu, convolve = torch.ops.safeasr.gelu_, torch.ops.safeasr.grouped_conv
#: Groups, channels of each, kernel: with kernels of our own, and without.
SHAPES = [(2, 16, 1), (3, 16, 19), (2, 48, 4), (4, 32, 7), (3, 5, 4), (1, 64, 3)]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("forced", [False, True])
def test_gelu(dtype: torch.dtype, forced: bool) -> None:
    x = torch.cat([torch.linspace(-20, 20, 100_001), torch.tensor([6e4, -6e4])]).to(dtype)
    expected = functional.gelu(x.double())
    if forced:
        with on_tensor_op_path():
            got = gelu(x)
    else:
        got = gelu(x)
    assert got.data_ptr() == x.data_ptr()
    atol = 5e-7 if dtype == torch.float32 and not forced else 2e-6  # torch's own is less exact
    rtol = {torch.float32: 2e-6, torch.bfloat16: 2**-8, torch.float16: 2**-10}[dtype]
    torch.testing.assert_close(got.double(), expected, rtol=rtol, atol=atol)


def test_gelu_of_what_is_no_number() -> None:
    got = gelu(torch.tensor([torch.nan, torch.inf, 1.0]))
    assert got[0].isnan() and got[1] == torch.inf and got[2].isfinite()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gelu_of_a_number_is_the_same_anywhere(dtype: torch.dtype) -> None:
    x = numbers(50, 37).to(dtype)
    whole = gelu(x.clone())
    assert torch.equal(whole, gelu(x.t().contiguous()).t())
    for row in (0, 17, 49):
        assert torch.equal(whole[row], gelu(x[row].clone()))
    gaps = x.clone()[:, ::2]  # what the kernel does not take
    torch.testing.assert_close(gelu(gaps), whole[:, ::2], rtol=1e-2, atol=1e-5)


def layer(groups: int, channels: int, kernel: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weights as torch has them, as the operator has them, and a bias."""
    weight = numbers(groups * channels, channels, kernel, seed=1) / (channels * kernel) ** 0.5
    own = weight.unflatten(0, (groups, channels)).permute(0, 3, 2, 1).contiguous()
    return weight, own, numbers(groups * channels, seed=2)


@pytest.mark.parametrize(("groups", "channels", "kernel"), SHAPES)
@pytest.mark.parametrize("forced", [False, True])
def test_equals_conv1d(groups: int, channels: int, kernel: int, forced: bool) -> None:
    weight, own, bias = layer(groups, channels, kernel)
    for rows in (1, 2, 5, 6, 33):
        x = numbers(rows, groups * channels, seed=rows)
        before, behind = kernel // 2, kernel - 1 - kernel // 2
        padded = functional.pad(x.t()[None].double(), (before, behind))
        expected = functional.conv1d(padded, weight.double(), bias.double(), groups=groups)[0].t()
        if forced:
            with on_tensor_op_path():
                got = convolve(x, own, bias)
        else:
            got = convolve(x, own, bias)
        torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)


def test_rows_between_zeros_are_the_same_bits() -> None:
    _, own, bias = layer(3, 16, 19)
    parts = [numbers(length, 48, seed=length) for length in (1, 9, 40, 6)]
    gap = torch.zeros(18, 48)
    together = convolve(torch.cat([row for part in parts for row in (part, gap)]), own, bias)
    first = 0
    for part in parts:
        assert torch.equal(together[first : first + len(part)], convolve(part, own, bias))
        first += len(part) + len(gap)


def test_no_rows() -> None:
    _, own, bias = layer(2, 16, 3)
    assert convolve(torch.empty(0, 32), own, bias).shape == (0, 32)
    assert gelu(torch.empty(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("x", "weight", "bias"),
    [
        (torch.zeros(4), torch.zeros(2, 3, 16, 16), torch.zeros(32)),
        (torch.zeros(4, 31), torch.zeros(2, 3, 16, 16), torch.zeros(32)),
        (torch.zeros(4, 32), torch.zeros(2, 3, 16, 15), torch.zeros(32)),
        (torch.zeros(4, 32), torch.zeros(2, 0, 16, 16), torch.zeros(32)),
        (torch.zeros(4, 32), torch.zeros(2, 3, 16, 16), torch.zeros(31)),
        (torch.zeros(4, 32), torch.zeros(2, 3, 16, 16), torch.zeros(32, 1)),
    ],
)
def test_wrong_arguments(x: Tensor, weight: Tensor, bias: Tensor) -> None:
    with pytest.raises(RuntimeError, match="grouped_conv expects"):
        convolve(x, weight, bias)
