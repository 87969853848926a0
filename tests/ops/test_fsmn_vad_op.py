"""The operator of voice activity detection against FunASR's encoder and against itself."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import safeasr._extension  # noqa: F401  (registers the operator)
from safeasr.families.fsmn_vad.network import FsmnVadScorer, FsmnVadSizes

SIZES = {
    "like the real one": FsmnVadSizes(400, 140, 4, 250, 128, 20, 140, 248),
    "odd": FsmnVadSizes(33, 7, 2, 19, 5, 4, 3, 2, lstride=3),
    "one layer, logits": FsmnVadSizes(16, 16, 1, 16, 16, 2, 16, 16, use_softmax=False),
}


def encoder(sizes: FsmnVadSizes, seed: int = 0) -> Any:
    module = pytest.importorskip("funasr.models.fsmn_vad_streaming.encoder")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        conf = {k: getattr(sizes, k) for k in sizes.__dataclass_fields__}
        return module.FSMN(**conf, rorder=0, rstride=1).eval()


def scorer(sizes: FsmnVadSizes) -> FsmnVadScorer:
    g = torch.Generator().manual_seed(1)
    parameters = {
        name: torch.randn(shape, generator=g) / max(1, math.prod(shape[1:])) ** 0.5
        for name, shape in sizes.shapes()
    }
    return FsmnVadScorer(sizes, parameters)


def fresh(sizes: FsmnVadSizes, batch: int = 1) -> Tensor:
    return torch.zeros(batch, sizes.fsmn_layers, sizes.past, sizes.proj_dim)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("frames", [1, 2, 5, 6, 7, 13, 240, 241, 700])
def test_equals_funasr(name: str, frames: int) -> None:
    sizes = SIZES[name]
    theirs = encoder(sizes)
    ours = FsmnVadScorer(sizes, theirs.state_dict())
    features = noise(1, frames, sizes.input_dim, seed=frames)
    with torch.inference_mode():
        expected = theirs(features, cache={})
        got, _ = ours(features, torch.tensor([frames]), fresh(sizes))
    expected = expected[0] if isinstance(expected, tuple) else expected
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", SIZES)
def test_equals_tensor_operations(name: str) -> None:
    sizes = SIZES[name]
    net = scorer(sizes)
    features = noise(3, 50, sizes.input_dim)
    lengths = torch.tensor([50, 0, 17])
    cache = noise(*fresh(sizes, 3).shape, seed=1)
    got = net(features, lengths, cache)
    double = torch.ops.safeasr.fsmn_vad(
        features.double(), lengths, cache.double(), net.weights.double(), net.sizes
    )
    for one, other in zip(got, double, strict=True):
        torch.testing.assert_close(one, other.float(), rtol=1e-5, atol=5e-6)
    assert (got[0][1] == 0).all()
    assert (got[0][2, 17:] == 0).all()
    assert torch.equal(got[1][1], cache[1]), "a stream without rows keeps its cache"


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("step", [1, 5, 6, 64, 239])
def test_how_a_stream_is_cut_changes_no_bit(name: str, step: int) -> None:
    sizes = SIZES[name]
    net = scorer(sizes)
    features = noise(1, 500, sizes.input_dim)
    whole, last = net(features, torch.tensor([500]), fresh(sizes))
    cache, parts = fresh(sizes), []
    for start in range(0, 500, step):
        piece = features[:, start : start + step]
        scores, cache = net(piece, torch.tensor([piece.size(1)]), cache)
        parts.append(scores)
    assert torch.equal(torch.cat(parts, dim=1), whole)
    assert torch.equal(cache, last)


def test_company_changes_no_bit() -> None:
    sizes = SIZES["like the real one"]
    net = scorer(sizes)
    lengths = [6, 1, 300, 0, 6, 250, 10]
    features = torch.full((len(lengths), max(lengths), sizes.input_dim), float("nan"))
    caches = noise(*fresh(sizes, len(lengths)).shape, seed=2)
    before = caches.clone()
    for row, length in enumerate(lengths):
        features[row, :length] = noise(length, sizes.input_dim, seed=row)
    scores, after = net(features, torch.tensor(lengths), caches)
    assert torch.equal(caches, before), "the old cache is left alone"
    for row, length in enumerate(lengths):
        alone = net(features[row : row + 1, :length], torch.tensor([length]), caches[row : row + 1])
        assert torch.equal(scores[row, :length], alone[0][0])
        assert torch.equal(after[row], alone[1][0])


def test_probabilities_of_extreme_scores() -> None:
    sizes = FsmnVadSizes(4, 4, 1, 4, 4, 2, 4, 20)
    net = scorer(sizes)
    scores, _ = net(noise(1, 200, 4) * 1e4, torch.tensor([200]), fresh(sizes))
    assert torch.isfinite(scores).all()
    assert (scores == 0).any()
    torch.testing.assert_close(scores.sum(-1), torch.ones(1, 200))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": (2, 5, 17)}, "features"),
        ({"lengths": [3, 3, 3]}, "lengths"),
        ({"lengths": [3, 6]}, "a length is 6 of 5"),
        ({"lengths": [3, -1]}, "a length is -1 of 5"),
        ({"cache": (2, 1, 2, 16)}, "cache"),
        ({"weights": 7}, "weights, got 7"),
        ({"sizes": [1, 2, 3]}, "9 sizes, got 3"),
        ({"sizes": [16, 16, 0, 16, 16, 1, 16, 16, 1]}, "got 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    sizes = SIZES["one layer, logits"]
    net = scorer(sizes)
    with pytest.raises((RuntimeError, ValueError), match=message):
        torch.ops.safeasr.fsmn_vad(
            torch.zeros(change.get("features", (2, 5, 16))),
            torch.tensor(change.get("lengths", [3, 5])),
            torch.zeros(change.get("cache", (2, 1, 1, 16))),
            net.weights[: change.get("weights")],
            change.get("sizes", net.sizes),
        )


def test_wrong_parameters_are_named() -> None:
    sizes = SIZES["odd"]
    parameters = {name: torch.zeros(shape) for name, shape in sizes.shapes()}
    with pytest.raises(ValueError, match=r"'fsmn.1.affine.linear.bias' is missing"):
        FsmnVadScorer(sizes, {k: v for k, v in parameters.items() if "1.affine.linear.b" not in k})
    parameters["in_linear2.linear.weight"] = torch.zeros(3, 3)
    with pytest.raises(ValueError, match=r"in_linear2.linear.weight must be \(19, 7\), got"):
        FsmnVadScorer(sizes, parameters)
