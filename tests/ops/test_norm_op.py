"""safeasr::norm and safeasr::add_norm: the kernel against tensor operations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import safeasr._extension  # noqa: F401  (registers the operators)

norm = torch.ops.safeasr.norm
add_norm = torch.ops.safeasr.add_norm
EPSILON = 1e-5
SIZES = [1, 3, 16, 17, 40, 64, 100, 512, 560]
DTYPES = [torch.float32, torch.bfloat16]


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def weights(size: int) -> tuple[Tensor, Tensor]:
    return 1 + 0.2 * numbers(size, seed=1), numbers(size, seed=2)


def reference(x: Tensor, size: int) -> Tensor:
    w, b = weights(size)
    return functional.layer_norm(x.double(), [size], w.double(), b.double(), EPSILON)


def close(got: Tensor, expected: Tensor, narrow: bool) -> None:
    """Equal but for rounding: in bfloat16 half a unit of the last place."""
    assert got.dtype == (torch.bfloat16 if narrow else torch.float32)
    rtol = 2**-8 if narrow else 1e-5
    torch.testing.assert_close(got.double(), expected, rtol=rtol, atol=2e-5)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_equals_layer_norm(size: int, dtype: torch.dtype, narrow: bool) -> None:
    for rows in (1, 7, 70):  # 70 are worth two threads
        x = numbers(rows, size, seed=rows, dtype=dtype)
        close(norm(x, *weights(size), EPSILON, narrow), reference(x, size), narrow)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_sum_and_norm(size: int, dtype: torch.dtype, narrow: bool) -> None:
    for rows in (1, 7, 70):
        x, update = numbers(rows, size, seed=rows), numbers(rows, size, seed=9, dtype=dtype)
        before = x.clone()
        total, out = add_norm(x, update, *weights(size), EPSILON, narrow)
        assert torch.equal(total, x + update)  # to the bit, in float32
        assert total.dtype == torch.float32
        close(out, reference(total, size), narrow)
        assert torch.equal(x, before)


@pytest.mark.parametrize("narrow", [False, True])
def test_rows_with_gaps(narrow: bool) -> None:
    """What the kernel does not take runs by tensor operations."""
    wide = numbers(6, 40)
    x, update = wide[:, :20], wide[:, 20:]
    close(norm(x, *weights(20), EPSILON, narrow), reference(x, 20), narrow)
    total, out = add_norm(x, update, *weights(20), EPSILON, narrow)
    assert torch.equal(total, x + update)
    close(out, reference(total, 20), narrow)


@pytest.mark.parametrize("narrow", [False, True])
def test_no_rows(narrow: bool) -> None:
    x = torch.empty(0, 8)
    assert norm(x, *weights(8), EPSILON, narrow).shape == (0, 8)
    total, out = add_norm(x, x, *weights(8), EPSILON, narrow)
    assert total.shape == out.shape == (0, 8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_is_the_same_in_any_company(dtype: torch.dtype) -> None:
    for size in SIZES:
        x, update = numbers(100, size, seed=3), numbers(100, size, seed=4, dtype=dtype)
        total, out = add_norm(x, update, *weights(size), EPSILON, True)
        for row in (0, 31, 99):
            one = slice(row, row + 1)
            alone = add_norm(x[one], update[one], *weights(size), EPSILON, True)
            assert torch.equal(alone[0], total[one])
            assert torch.equal(alone[1], out[one])


@pytest.mark.parametrize("narrow", [False, True])
def test_what_is_no_number_stays_none(narrow: bool) -> None:
    for bad in (torch.nan, torch.inf):
        x = numbers(3, 20)
        x[1, 5] = bad
        out = norm(x, *weights(20), EPSILON, narrow)
        assert not torch.isfinite(out[1]).any()
        assert torch.isfinite(out[[0, 2]]).all()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"x": torch.zeros(4)}, "norm expects x"),
    ({"x": torch.zeros(2, 3, 4)}, "norm expects x"),
    ({"weight": torch.zeros(5)}, "norm expects x"),
    ({"weight": torch.zeros(4, dtype=torch.bfloat16)}, "norm expects x"),
    ({"bias": torch.zeros(3)}, "norm expects x"),
    ({"bias": torch.zeros(4, dtype=torch.float64)}, "norm expects x"),
    ({"update": torch.zeros(3, 4)}, "add_norm expects"),
    ({"x": torch.zeros(2, 4, dtype=torch.bfloat16)}, "add_norm expects float32 x"),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_wrong_arguments(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "x": torch.zeros(2, 4), "update": torch.zeros(2, 4), "weight": torch.zeros(4),
        "bias": torch.zeros(4), "epsilon": EPSILON, "narrow": False,
    }  # fmt: skip
    assert add_norm(*arguments.values())[1].shape == (2, 4)
    arguments |= changed
    with pytest.raises(RuntimeError, match=message):
        add_norm(*arguments.values())
    if message == "norm expects x":
        del arguments["update"]
        with pytest.raises(RuntimeError, match=message):
            norm(*arguments.values())
