"""Paraformer's encoder by itself, in every precision and by both ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from safeasr import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.loading.export import open_bundle
from safeasr.nets.precision import PRECISIONS
from support import models
from support.encoding import Floats, encode
from support.precision import OPTIONS, require
from support.ragged import on_tensor_op_path

pytest.importorskip("funasr", reason="funasr makes the models")

#: Relative error of hidden vectors and largest error of CIF weights, against float32. Several times
#: what these networks show.
BOUNDS = {"bfloat16": (0.01, 0.01), "int8": (0.04, 0.03)}


@pytest.fixture(params=list(OPTIONS))
def precision(request: pytest.FixtureRequest) -> str:
    require(request.param)
    return str(request.param)


def rows(width: int) -> list[Floats]:
    rng = np.random.default_rng(3)
    return [rng.standard_normal((n, width)).astype(np.float32) for n in (1, 7, 40, 41, 200)]


def features(bundle: Bundle) -> list[Floats]:
    """Rows of several utterances; attention changes its way at 32 of them."""
    width = bundle.frontend["n_mels"] * bundle.frontend["lfr_m"]
    rng = np.random.default_rng(3)
    counts = (1, 2, 7, 31, 32, 40, 41, 64, 130, 200)
    return [rng.standard_normal((n, width)).astype(np.float32) for n in counts]


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
@pytest.mark.slow
def test_company_changes_no_bit(shape: models.Shape, tmp_path: Path) -> None:
    """Hidden vectors and CIF weights alone and in a batch, in every precision."""
    directory = models.write_model_dir(tmp_path, shape)
    for precision in filter(_ext.cpu_supports, PRECISIONS):
        bundle = open_bundle(directory, precision=precision)
        arrays = features(bundle)
        alone = [encode(bundle, [array])[0] for array in arrays]
        for together in (encode(bundle, arrays), encode(bundle, arrays[::-1])[::-1]):
            for (hidden, alphas), (hidden_b, alphas_b) in zip(alone, together, strict=True):
                assert np.array_equal(hidden, hidden_b), precision
                assert np.array_equal(alphas, alphas_b), precision


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_numbers_of_the_encoder(shape: models.Shape, precision: str, tmp_path: Path) -> None:
    """Close to float32's."""
    directory = models.write_model_dir(tmp_path, shape)
    wide, bundle = open_bundle(directory), open_bundle(directory, precision=precision)
    arrays = features(bundle)
    exact, found = encode(wide, arrays), encode(bundle, arrays)
    for (hidden, alphas), (hidden_32, alphas_32) in zip(found, exact, strict=True):
        error = np.linalg.norm(hidden - hidden_32) / np.linalg.norm(hidden_32)
        assert 1e-5 < error < BOUNDS[precision][0]  # more than nothing, or nothing was reduced
        assert np.abs(alphas - alphas_32).max() < BOUNDS[precision][1]


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_on_tensor_op_path(shape: models.Shape, tmp_path: Path) -> None:
    bundle = open_bundle(models.write_model_dir(tmp_path, shape))
    arrays = rows(bundle.frontend["n_mels"] * bundle.frontend["lfr_m"])
    expected = encode(bundle, arrays)
    with on_tensor_op_path():
        found = encode(bundle, arrays)
    for (hidden, alphas), (other_hidden, other_alphas) in zip(found, expected, strict=True):
        np.testing.assert_allclose(hidden, other_hidden, rtol=0, atol=1e-4)
        np.testing.assert_allclose(alphas, other_alphas, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_numbers_in_float16(shape: models.Shape, tmp_path: Path) -> None:
    """Ten times as close to float32 as bfloat16 is allowed to be; and by the ways of devices."""
    directory = models.write_model_dir(tmp_path, shape)
    wide, bundle = (open_bundle(directory, precision=one) for one in ("float32", "float16"))
    arrays = rows(bundle.frontend["n_mels"] * bundle.frontend["lfr_m"])
    exact, found = encode(wide, arrays), encode(bundle, arrays)
    with on_tensor_op_path():
        forced = encode(bundle, arrays)
    for other in (found, forced):
        for (hidden, alphas), (hidden_32, alphas_32) in zip(other, exact, strict=True):
            error = np.linalg.norm(hidden - hidden_32) / np.linalg.norm(hidden_32)
            assert 1e-6 < error < 1e-3  # more than nothing, or nothing was reduced
            assert np.abs(alphas - alphas_32).max() < 1e-3
