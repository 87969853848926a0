"""safeasr::int8_linear: on packed weights against tensor operations, and both against float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import safeasr._extension  # noqa: F401  (registers the operators)
from safeasr.nets.precision import Int8Linear
from support.precision import require

plain = torch.ops.safeasr.int8_linear
on_packed = torch.ops.safeasr.int8_linear_packed
SIZES = [(1, 1), (3, 5), (16, 16), (40, 24), (33, 100), (512, 1536), (560, 70), (2048, 512)]
DTYPES = [torch.float32, torch.bfloat16]


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@dataclass
class Layer:
    """A linear layer in 8 bits, as both operators take it."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None
    packed: Tensor
    sums: Tensor
    zeros: Tensor

    def plain(self, x: Tensor, relu: bool = False) -> Tensor:
        return plain(x, self.weight, self.scale, self.bias, relu)

    def fast(self, x: Tensor, relu: bool = False) -> Tensor:
        return on_packed(
            x, self.packed, self.scale, self.sums, self.zeros, self.bias, relu
        )  # as runtime/pack_linear.cc calls it


def layer_of(size: int, out: int, *, bias: bool = True, seed: int = 0) -> tuple[Layer, nn.Linear]:
    require("int8")
    linear = nn.Linear(size, out, bias)
    with torch.no_grad():
        linear.weight.copy_(numbers(out, size, seed=seed) / size**0.5)
        if bias:
            linear.bias.copy_(numbers(out, seed=seed + 1))
    made = Int8Linear(linear)
    packed = torch.ops.onednn.qlinear_prepack(made.weight, [128, size])
    sums = made.weight.sum(1).float() * made.scale
    zeros = torch.zeros(out, dtype=torch.int32)
    return Layer(made.weight, made.scale, made.bias, packed, sums, zeros), linear


def close(got: Tensor, expected: Tensor) -> None:
    """Equal but for one rounding of bfloat16, and float32's where large terms cancel."""
    assert got.dtype == expected.dtype == torch.bfloat16
    scale = float(expected.float().abs().max()) if expected.numel() else 0.0
    torch.testing.assert_close(got.float(), expected.float(), rtol=2**-7, atol=1e-5 * scale)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_packed_equals_tensor_operations(
    size: int, out: int, dtype: torch.dtype, bias: bool, relu: bool
) -> None:
    layer, linear = layer_of(size, out, bias=bias)
    for rows in (1, 2, 130, 1000):  # it works through 128 at a time
        x = numbers(rows, size, seed=rows, dtype=dtype)
        got, expected = layer.fast(x, relu), layer.plain(x, relu)
        assert got.shape == (rows, out)
        # A value between two steps may go either way in another order of multiplication.
        different = (got.float() - expected.float()).abs() > 2**-7 * expected.float().abs() + 1e-5
        assert different.float().mean() < 0.02
        exact = linear(x.float())
        exact = torch.relu(exact) if relu else exact
        error = (got.float() - exact).norm() / exact.norm().clamp(min=1e-9)
        assert error < (0.02 if size > 1 else 0.01)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_a_row_is_the_same_in_any_company(size: int, out: int, dtype: torch.dtype) -> None:
    """To the bit: sums are of integers, and a row's scale is its own."""
    layer, _ = layer_of(size, out)
    x = numbers(1000, size, seed=5, dtype=dtype)
    x[500:] *= 100  # whose scale would spoil the others'
    together = layer.fast(x)
    for first, last in ((0, 1), (127, 129), (300, 700), (999, 1000)):
        assert torch.equal(layer.fast(x[first:last]), together[first:last])
    assert torch.equal(layer.fast(x.flip(0)), together.flip(0))
    assert torch.equal(layer.fast(x[3:4].repeat(200, 1)), together[3:4].repeat(200, 1))


def test_no_rows() -> None:
    layer, _ = layer_of(40, 24)
    assert layer.fast(torch.empty(0, 40)).shape == (0, 24)
    assert layer.fast(torch.empty(0, 40, dtype=torch.bfloat16)).shape == (0, 24)


@pytest.mark.parametrize("relu", [False, True])
def test_rows_of_zeros_give_the_bias(relu: bool) -> None:
    layer, linear = layer_of(40, 24)
    expected = torch.relu(linear.bias) if relu else linear.bias
    for operator in (layer.fast, layer.plain):
        got = operator(torch.zeros(3, 40), relu)
        assert torch.equal(got, expected.detach().bfloat16().expand(3, 24))


def test_outputs_of_zeros() -> None:
    _, linear = layer_of(40, 24)
    with torch.no_grad():
        linear.weight[3] = 0
    made = Int8Linear(linear)
    assert not made.weight[3].any()
    y = plain(numbers(5, 40), made.weight, made.scale, made.bias, False)
    assert torch.equal(y[:, 3], linear.bias[3].detach().bfloat16().expand(5))


@pytest.mark.parametrize("factor", [1e-15, 1e-5, 1e5, 1e30])
def test_small_and_huge_values(factor: float) -> None:
    """The error is relative to the row."""
    layer, linear = layer_of(64, 24, bias=False)
    x = factor * numbers(9, 64)
    exact = linear(x.double().float() / factor) * factor
    for operator in (layer.fast, layer.plain):
        assert float(((operator(x).float() - exact) / factor).norm() * factor / exact.norm()) < 0.02


@pytest.mark.parametrize("sign", [1, -1])
def test_rows_of_one_sign(sign: int) -> None:
    """Zero is in the range although no value is there: what a ReLU cut off stays exact."""
    layer, linear = layer_of(64, 24)
    x = sign * (3 + numbers(50, 64).abs())
    exact = linear(x)
    close(layer.fast(x), layer.plain(x))
    assert float((layer.fast(x).float() - exact).norm() / exact.norm()) < 0.02


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("place", [0, 20, 39])
def test_what_is_no_number_stays_none(place: int, dtype: torch.dtype, relu: bool) -> None:
    """A row with NaN or infinity must not become an ordinary answer; its neighbours must."""
    layer, _ = layer_of(40, 24)
    for bad in (torch.nan, torch.inf, -torch.inf):
        x = numbers(3, 40, dtype=dtype)
        x[1, place] = bad
        for operator in (layer.fast, layer.plain):
            y = operator(x, relu)
            assert torch.isnan(y[1]).all()
            assert torch.isfinite(y[[0, 2]]).all()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"x": torch.zeros(4)}, "int8_linear expects x"),
    ({"x": torch.zeros(2, 5)}, "int8_linear expects x"),
    ({"weight": torch.zeros(3, 4)}, "int8_linear expects x"),
    ({"weight": torch.zeros(12, dtype=torch.int8)}, "int8_linear expects x"),
    ({"scale": torch.ones(4)}, "int8_linear expects x"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_wrong_arguments(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "x": torch.zeros(2, 4), "weight": torch.zeros(3, 4, dtype=torch.int8),
        "scale": torch.ones(3), "bias": None, "relu": False,
    }  # fmt: skip
    assert plain(*arguments.values()).shape == (2, 3)
    with pytest.raises(RuntimeError, match=message):
        plain(*{**arguments, **changed}.values())


WRONG_PACKED: list[dict[str, Any]] = [
    {"x": torch.zeros(4)},
    {"x": torch.zeros(2, 41)},
    {"x": torch.zeros(2, 40, dtype=torch.float64)},
    {"x": torch.zeros(40, 2).t()},
    {"sums": torch.zeros(23)},
    {"zeros": torch.zeros(23, dtype=torch.int32)},
    {"bias": torch.zeros(23)},
    {"bias": torch.zeros(24, dtype=torch.bfloat16)},
]


@pytest.mark.parametrize("changed", WRONG_PACKED, ids=lambda changed: str(*changed))
def test_wrong_arguments_of_the_packed_one(changed: dict[str, Any]) -> None:
    layer, _ = layer_of(40, 24)
    arguments: dict[str, Any] = {
        "x": torch.zeros(2, 40), "packed": layer.packed, "scale": layer.scale,
        "sums": layer.sums, "zeros": layer.zeros, "bias": layer.bias, "relu": False,
    }  # fmt: skip
    assert on_packed(*arguments.values()).shape == (2, 24)
    with pytest.raises(RuntimeError, match="int8_linear expects"):
        on_packed(*{**arguments, **changed}.values())
