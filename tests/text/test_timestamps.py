"""Timestamps from CIF weights, compared with FunASR on thousands of random utterances."""

from __future__ import annotations

import random
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from safeasr.text.timestamps import (
    FIRE_THRESHOLD,
    integrate_and_fire,
    paraformer_timestamps,
    ts_prediction_lfr6_standard,
)


@pytest.fixture(scope="session")
def oracle() -> ModuleType:
    """FunASR's own timestamp tools."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import timestamp_tools

    return timestamp_tools


def random_case(rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Weights like a predictor's: zeros between bursts, some long silences."""
    frames = int(rng.integers(1, 200))
    weights = rng.random(frames).astype(np.float32) ** 2 * rng.choice([0.2, 0.5, 1.0])
    weights[rng.random(frames) < rng.choice([0.0, 0.5, 0.9])] = 0.0
    if frames > 60 and rng.random() < 0.5:
        start = int(rng.integers(0, frames - 40))
        weights[start : start + 40] = 0.0
    peaks = integrate_and_fire(weights)
    fires = int((peaks >= np.float32(FIRE_THRESHOLD)).sum())
    # Mostly as many tokens as the fires delimit; otherwise the weights must be rescaled.
    count = max(0, fires - 1 + int(rng.choice([0, 0, 0, 1, -1, 3])))
    tokens = ["字", "a", "b@@", "<sil>", "<unk>"]
    chosen = [tokens[int(i)] for i in rng.integers(0, len(tokens), count)]
    if rng.random() < 0.2:
        chosen.append("</s>")
    return torch.from_numpy(weights), torch.from_numpy(peaks), chosen


def funasr_answer(oracle: ModuleType, *args: Any, **options: Any) -> Any:
    """FunASR's result on copies (it changes its arguments), or None where it raises."""
    copies = [arg.clone() if isinstance(arg, torch.Tensor) else list(arg) for arg in args]
    try:
        return oracle.ts_prediction_lfr6_standard(*copies, **options)
    except IndexError:
        return None


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_funasr(oracle: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    compared = 0
    for _ in range(500):
        weights, peaks, tokens = random_case(rng)
        options = {
            "vad_offset": float(rng.choice([0.0, 1230.0, 17.5])),
            "force_time_shift": float(rng.choice([-1.5, 0.0])),
            "sil_in_str": bool(rng.integers(2)),
            "upsample_rate": int(rng.choice([1, 3])),
        }
        kept = weights.clone(), peaks.clone(), list(tokens)
        ours = ts_prediction_lfr6_standard(weights, peaks, tokens, **options)
        assert torch.equal(weights, kept[0])
        assert torch.equal(peaks, kept[1])
        assert tokens == kept[2]
        expected = funasr_answer(oracle, weights, peaks, tokens, **options)
        if expected is not None:
            compared += 1
            assert tuple(ours) == expected
        as_numpy = ts_prediction_lfr6_standard(
            weights.numpy()[None], peaks.numpy()[None], tuple(tokens), **options
        )
        assert as_numpy == ours
    assert compared > 300


def test_integration_is_bitwise_funasrs(oracle: ModuleType) -> None:
    rng = np.random.default_rng(1)
    for frames in (1, 7, 300):
        weights = rng.random(frames).astype(np.float32)
        expected = oracle.cif_wo_hidden(torch.from_numpy(weights)[None], FIRE_THRESHOLD)[0]
        np.testing.assert_array_equal(integrate_and_fire(weights), expected.numpy())


def test_the_threshold_is_compared_in_single_precision(oracle: ModuleType) -> None:
    limit = np.float32(FIRE_THRESHOLD)
    for value in (limit, np.nextafter(limit, np.float32(0)), np.nextafter(limit, np.float32(2))):
        peaks = torch.tensor([0.1, float(value), 0.2, 1.0, 0.3])
        weights = torch.full((5,), 0.3)
        expected = funasr_answer(oracle, weights, peaks, ["x"], upsample_rate=3)
        assert tuple(ts_prediction_lfr6_standard(weights, peaks, ["x"])) == expected


def test_nothing_to_time_gives_empty_results() -> None:
    zeros = np.zeros(10, dtype=np.float32)
    assert ts_prediction_lfr6_standard(zeros, zeros, []) == ("", [])
    # FunASR raises IndexError for these two.
    assert ts_prediction_lfr6_standard(zeros, zeros, ["a"]) == ("", [])
    late = np.zeros(30, dtype=np.float32)
    late[3] = 1.0
    assert ts_prediction_lfr6_standard(late, late, ["</s>"]).timestamps == []
    with pytest.raises(ValueError, match=r"alphas must have shape"):
        ts_prediction_lfr6_standard(np.zeros((1, 2, 3)), zeros, ["a"])


@pytest.mark.parametrize("tail_threshold", [0.0, 0.45])
@pytest.mark.parametrize("tail_mask", [True, False])
def test_paraformer_call_is_reproduced(
    oracle: ModuleType, tail_threshold: float, tail_mask: bool
) -> None:
    """FunASR's Paraformer cuts the padding first."""
    rng = np.random.default_rng(3)
    predictor = SimpleNamespace(tail_mask=tail_mask, tail_threshold=tail_threshold)
    compared = 0
    for _ in range(500):
        weights, peaks, tokens = random_case(rng)
        frames = int(rng.integers(1, len(weights) + 1))
        length = len(weights)
        if predictor.tail_mask is True:
            length = min(frames + int(predictor.tail_threshold > 0.0), length)
        expected = funasr_answer(
            oracle, weights[:length], peaks[:length], tokens, vad_offset=250, upsample_rate=1
        )
        ours = paraformer_timestamps(
            weights,
            peaks,
            tokens,
            frames,
            tail_mask=tail_mask,
            tail_threshold=tail_threshold,
            begin_time=250,
        )
        if expected is not None:
            compared += 1
            assert tuple(ours) == expected
    assert compared > 200


def test_threads_get_the_same_answer() -> None:
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(9)
    cases = [random_case(rng) for _ in range(200)]
    alone = [ts_prediction_lfr6_standard(*case) for case in cases]
    order = list(range(len(cases))) * 4
    random.Random(0).shuffle(order)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda i: ts_prediction_lfr6_standard(*cases[i]), order))
    assert together == [alone[i] for i in order]
