"""The C++ frontend gives the features of FunASR's WavFrontend."""

import threading

import numpy as np
import pytest

from safeasr import _ext

EPSILON = np.finfo(np.float32).eps

LENGTHS = [257, 300, 399, 400, 401, 559, 560, 561, 719, 720, 1360, 4000, 9600, 16000, 33333]
CONFIGS = {
    "lfr 1/1": dict(),
    "lfr 7/6": dict(lfr_m=7, lfr_n=6),
    "lfr 5/1": dict(lfr_m=5, lfr_n=1),
    "lfr 4/3": dict(lfr_m=4, lfr_n=3),
    "lfr 3/6": dict(lfr_m=3, lfr_n=6),
    "40 mels": dict(n_mels=40, lfr_m=7, lfr_n=6),
    "8 kHz": dict(sample_rate=8000, lfr_m=7, lfr_n=6),
    "8 kHz, 40 mels": dict(sample_rate=8000, n_mels=40),
    "mirrored ends": dict(snip_edges=False, lfr_m=7, lfr_n=6),
    "no scaling": dict(upscale_samples=False),
    "hanning": dict(window="hanning"),
    "povey": dict(window="povey"),
    "rectangular": dict(window="rectangular"),
    "blackman": dict(window="blackman"),
    "other frames": dict(frame_length_ms=20.0, frame_shift_ms=12.5),
}


def noise(samples, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(samples) * level).astype(np.float32)


def write_cmvn(path, size, seed=0):
    """An am.mvn file, and the shift and scale it holds, of the magnitude of real statistics."""
    rng = np.random.default_rng(seed)
    shift = (-10 - 3 * rng.random(size)).astype(np.float32)
    scale = (0.15 + 0.1 * rng.random(size)).astype(np.float32)

    def block(name, values):
        numbers = " ".join(repr(float(v)) for v in values)
        return f"<{name}> {size} {size}\n<LearnRateCoef> 0 [ {numbers} ]\n"

    text = "<Nnet>\n" + block("AddShift", shift) + block("Rescale", scale) + "</Nnet>\n"
    path.write_text(text)
    return shift, scale


def funasr_frontend(name="WavFrontend", cmvn_file=None, **config):
    module = pytest.importorskip("funasr.frontends.wav_frontend")
    names = {
        "sample_rate": "fs",
        "frame_length_ms": "frame_length",
        "frame_shift_ms": "frame_shift",
        "upscale_samples": "upsacle_samples",
    }
    options = {names.get(key, key): value for key, value in config.items()}
    return getattr(module, name)(cmvn_file=cmvn_file, dither=0.0, **options)


def funasr_features(frontend, wave):
    import torch

    values, lengths = frontend(torch.from_numpy(wave)[None], [len(wave)])
    assert int(lengths[0]) == values.shape[1]
    return values[0].numpy()


def features(frontend, wave, **options):
    values, lengths = frontend.compute([wave], **options)
    assert lengths == [values.shape[1]]
    return values[0]


def assert_same(ours, theirs, n_mels=80):
    """Equal but for the rounding of two single-precision FFTs.

    An FFT's rounding error is the same in every bin, a small multiple of EPSILON times the
    loudest one. In the logarithm of a filter that is softer than the loudest by a factor f in
    amplitude, it weighs f times as much.
    """
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    frames = theirs.reshape(-1, n_mels)
    softer = np.exp((frames.max(axis=1, keepdims=True) - frames) / 2)
    error = np.abs(ours.reshape(-1, n_mels) - frames)
    assert (error <= 2e-5 + 4 * EPSILON * softer).all(), error.max()


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_funasr(name):
    config = CONFIGS[name]
    theirs = funasr_frontend(**config)
    ours = _ext.Frontend(**config)
    for seed, samples in enumerate(LENGTHS):
        wave = noise(samples, seed)
        expected = funasr_features(theirs, wave)
        assert_same(features(ours, wave), expected, config.get("n_mels", 80))
        assert ours.num_frames(samples) == len(expected)
        assert ours.feature_size == expected.shape[1]


@pytest.mark.parametrize("name", ["lfr 1/1", "lfr 7/6", "lfr 5/1"])
def test_equals_funasr_normalised(name, tmp_path):
    config = CONFIGS[name]
    size = 80 * config.get("lfr_m", 1)
    shift, scale = write_cmvn(tmp_path / "am.mvn", size)
    theirs = funasr_frontend(cmvn_file=str(tmp_path / "am.mvn"), **config)
    ours = _ext.Frontend(cmvn_shift=shift, cmvn_scale=scale, **config)
    for seed, samples in enumerate(LENGTHS):
        wave = noise(samples, seed)
        expected = funasr_features(theirs, wave)
        np.testing.assert_allclose(features(ours, wave), expected, rtol=0, atol=1e-4)


def test_every_length_up_to_three_frames():
    theirs = funasr_frontend(lfr_m=7, lfr_n=6)
    ours = _ext.Frontend(lfr_m=7, lfr_n=6)
    for samples in range(257, 900, 7):
        wave = noise(samples, samples)
        assert_same(features(ours, wave), funasr_features(theirs, wave))


@pytest.mark.parametrize("frames", range(1, 40))
@pytest.mark.parametrize("m, n", [(7, 6), (5, 1), (6, 6), (2, 5), (9, 3)])
def test_every_number_of_frames_is_stacked_as_funasr_does(frames, m, n):
    samples = 400 + 160 * (frames - 1) + frames % 160
    wave = noise(samples, frames)
    expected = funasr_features(funasr_frontend(n_mels=23, lfr_m=m, lfr_n=n), wave)
    ours = _ext.Frontend(n_mels=23, lfr_m=m, lfr_n=n)
    assert ours.num_frames(samples) == len(expected)
    assert_same(features(ours, wave), expected, n_mels=23)


def waves_of_note():
    seconds = np.arange(16000, dtype=np.float64) / 16000
    square = np.where(np.sin(2 * np.pi * 100 * seconds) > 0, 1.0, -1.0)
    return {
        "silence": np.zeros(16000),
        "full scale": square,
        "clipped noise": np.clip(noise(16000, 1, 2.0), -1, 1),
        "16 bit": np.round(noise(16000, 2) * 32768) / 32768,
        "one bit": np.round(noise(16000, 3, 1e-5) * 32768) / 32768,
        "silence, then noise": np.concatenate([np.zeros(8000), noise(8000, 4)]),
        "impulse": np.eye(1, 16000, 5000)[0],
        "16 bit offset": np.full(16000, 5 / 32768),
        # What remains of it is the rounding of its mean, so the order of summation shows.
        "offset": np.full(16000, 0.3),
        "noise on an offset": 0.5 + noise(16000, 5, 0.01),
    }


@pytest.mark.parametrize("name", waves_of_note())
def test_waves_of_note(name):
    wave = waves_of_note()[name].astype(np.float32)
    expected = funasr_features(funasr_frontend(lfr_m=7, lfr_n=6), wave)
    assert_same(features(_ext.Frontend(lfr_m=7, lfr_n=6), wave), expected)


def test_a_minute():
    wave = noise(60 * 16000, 5)
    expected = funasr_features(funasr_frontend(lfr_m=7, lfr_n=6), wave)
    ours = features(_ext.Frontend(lfr_m=7, lfr_n=6), wave)
    assert_same(ours, expected)
    assert np.abs(ours - expected).mean() < 1e-5


@pytest.mark.parametrize("samples", [1, 2, 3, 10, 50, 159, 160, 161, 200, 256])
def test_lengths_that_funasr_refuses(samples):
    ours = _ext.Frontend(lfr_m=7, lfr_n=6)
    assert ours.num_frames(samples) == 1
    wave = noise(samples, samples)
    values = features(ours, wave)
    assert values.shape == (1, 560)
    assert np.isfinite(values).all()
    if samples == 1:  # nothing is left of it without its mean
        np.testing.assert_allclose(values, np.log(np.finfo(np.float32).eps), rtol=1e-6)
    elif samples >= 50:  # no filter is empty
        assert values.min() > 0


def test_empty():
    ours = _ext.Frontend(lfr_m=7, lfr_n=6)
    empty = np.zeros(0, np.float32)
    assert ours.num_frames(0) == 0
    values, lengths = ours.compute([empty])
    assert values.shape == (1, 0, 560) and lengths == [0]
    values, lengths = ours.compute([])
    assert values.shape == (0, 0, 560) and lengths == []
    wave = noise(16000)
    values, lengths = ours.compute([empty, wave])
    assert lengths == [0, 17]
    assert not values[0].any()
    np.testing.assert_array_equal(values[1], features(ours, wave))


@pytest.mark.parametrize("name", ["lfr 1/1", "lfr 7/6", "lfr 5/1", "mirrored ends"])
def test_batch_changes_no_bit(name):
    size = 80 * CONFIGS[name].get("lfr_m", 1)
    rng = np.random.default_rng(6)
    ours = _ext.Frontend(
        cmvn_shift=rng.standard_normal(size), cmvn_scale=rng.random(size), **CONFIGS[name]
    )
    waves = [noise(n, n) for n in (16000, 700, 400, 100, 47000, 16000, 399, 12345)]
    alone = [features(ours, wave) for wave in waves]
    for order in (range(8), reversed(range(8)), [4, 1], [3, 3, 6]):
        order = list(order)
        values, lengths = ours.compute([waves[i] for i in order])
        assert values.shape[1] == max(lengths)
        for row, length, i in zip(values, lengths, order):
            np.testing.assert_array_equal(row[:length], alone[i])
            assert not row[length:].any()


@pytest.mark.parametrize("name", ["lfr 1/1", "lfr 7/6", "mirrored ends", "8 kHz", "other frames"])
def test_portable_operations_agree(name):
    ours = _ext.Frontend(**CONFIGS[name])
    waves = [noise(n, n) for n in (16000, 700, 100, 400, 47000, 399, 561)]
    values, lengths = ours.compute(waves)
    portable, portable_lengths = ours.compute(waves, portable=True)
    assert portable_lengths == lengths
    for row, other, length in zip(portable, values, lengths):
        assert_same(row[:length], other[:length])
        assert not row[length:].any()


def test_sixteen_threads():
    ours = _ext.Frontend(lfr_m=7, lfr_n=6)
    waves = [noise(n, n) for n in (16000, 300, 8000, 100)]
    expected, _ = ours.compute(waves)
    expected_portable, _ = _ext.Frontend(lfr_m=7, lfr_n=6).compute(waves, portable=True)
    wrong = []
    start = threading.Barrier(16)

    def hammer(thread):
        start.wait()
        for i in range(20):
            portable = (thread + i) % 5 == 0
            values, _ = ours.compute(waves, portable=portable)
            if not np.array_equal(values, expected_portable if portable else expected):
                wrong.append((thread, i))

    threads = [threading.Thread(target=hammer, args=(t,)) for t in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_dither_follows_its_seed():
    ours = _ext.Frontend(dither=1.0)
    wave, other = noise(16000), noise(5000, 1)
    first = features(ours, wave, dither_seed=7)
    np.testing.assert_array_equal(first, features(ours, wave, dither_seed=7))
    np.testing.assert_array_equal(first, ours.compute([other, wave], dither_seed=7)[0][1])
    assert np.abs(first - features(ours, wave, dither_seed=8)).max() > 1e-4
    # Kaldi's dither of 1.0 is one step of 16 bit: it lifts silence to a known level.
    silence = features(ours, np.zeros(160000, np.float32))
    theirs = funasr_frontend()
    theirs.dither = 1.0
    assert abs(silence.mean() - funasr_features(theirs, np.zeros(160000, np.float32)).mean()) < 0.05
