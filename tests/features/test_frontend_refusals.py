"""What the C++ frontend takes, and what it refuses by name."""

import numpy as np
import pytest

from safeasr import _ext


def noise(samples, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(samples) * level).astype(np.float32)


def features(frontend, wave, **options):
    values, lengths = frontend.compute([wave], **options)
    assert lengths == [values.shape[1]]
    return values[0]


def test_samples_that_are_not_contiguous():
    ours = _ext.Frontend()
    stereo = noise(32000).reshape(-1, 2)
    np.testing.assert_array_equal(
        features(ours, stereo[:, 1]), features(ours, np.ascontiguousarray(stereo[:, 1]))
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(bad):
    ours = _ext.Frontend()
    wave = noise(1000)
    wave[999] = bad
    with pytest.raises(ValueError, match="utterance 1: expected finite samples"):
        ours.compute([noise(1000), wave])


def test_bad_arrays():
    ours = _ext.Frontend()
    with pytest.raises(ValueError, match=r"waves\[0\]: expected float32 samples, got int16"):
        ours.compute([np.zeros(1000, np.int16)])
    with pytest.raises(ValueError, match="expected float32 samples, got float64"):
        ours.compute([np.zeros(1000)])
    with pytest.raises(ValueError, match="expected one dimension, got 2"):
        ours.compute([np.zeros((2, 1000), np.float32)])
    with pytest.raises(TypeError, match="expected a float32 array, got str"):
        ours.compute(["wave"])


@pytest.mark.parametrize(
    "config, message",
    [
        (dict(sample_rate=0), "sample_rate: expected a positive"),
        (dict(n_mels=2), "n_mels: expected at least 3, got 2"),
        (dict(n_mels=400), "400 filters do not fit"),
        (dict(frame_length_ms=0.0), "frame_length_ms and frame_shift_ms"),
        (dict(frame_length_ms=float("nan")), "frame_length_ms and frame_shift_ms"),
        (dict(frame_shift_ms=-1.0), "frame_length_ms and frame_shift_ms"),
        (dict(window="triangle"), "window: expected hamming.*got 'triangle'"),
        (dict(lfr_m=0), "lfr_m and lfr_n: expected at least 1, got 0 and 1"),
        (dict(lfr_n=-2), "lfr_m and lfr_n: expected at least 1, got 1 and -2"),
        (dict(dither=-1.0), "dither: expected zero or more"),
        (dict(cmvn_shift=[0.0] * 80), "expected 80 values each, got 80 and 0"),
        (dict(lfr_m=7, cmvn_shift=[0.0] * 80, cmvn_scale=[0.0] * 80), "expected 560 values each"),
    ],
)
def test_bad_configurations(config, message):
    with pytest.raises(ValueError, match=message):
        _ext.Frontend(**config)
    with pytest.raises(ValueError, match=message):
        _ext.OnlineFrontend(**config)
