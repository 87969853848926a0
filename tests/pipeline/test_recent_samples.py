"""The samples that two passes keep: the last of them, by their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from safeasr.pipeline.two_pass import _Recent

pytest.importorskip("funasr", reason="funasr makes the detector")


def test_silence_is_forgotten() -> None:
    """An hour of silence is not kept: three seconds and a chunk are."""
    recent = _Recent()
    for number in range(18_000):
        recent.append(np.full(3200, number, np.float32))
        recent.forget_before(recent.end - 48_000)
        assert sum(map(len, recent._parts)) <= 48_000 + 3200
    end = recent.end
    assert end == 18_000 * 3200
    assert list(recent.take(end - 3201, end)) == [17_998, *[17_999] * 3200]
    assert len(recent.take(0, end)) == recent.end - recent.start
    assert len(recent.take(end - 10, end + 10)) == 10
    assert len(recent.take(end, end)) == len(recent.take(5, 4)) == 0


def test_samples_by_their_numbers() -> None:
    rng = np.random.default_rng(0)
    recent, whole = _Recent(), np.zeros(0, np.float32)
    for _ in range(200):
        part = rng.standard_normal(int(rng.integers(0, 50))).astype(np.float32)
        recent.append(part)
        whole = np.concatenate([whole, part])
        recent.forget_before(len(whole) - 300)
        first = int(rng.integers(max(len(whole) - 300, 0), len(whole) + 1))
        last = int(rng.integers(first, len(whole) + 1))
        assert np.array_equal(recent.take(first, last), whole[first:last])
