"""The C++ streaming frontend gives the rows of FunASR's WavFrontendOnline, piece by piece."""

import threading

import numpy as np
import pytest

from safeasr import _ext
from test_frontend import assert_same, funasr_frontend, noise, write_cmvn

# Without lfr_m=1, lfr_n=1: FunASR's streaming frontend fails for it with an UnboundLocalError.
CONFIGS = {
    "lfr 7/6": dict(lfr_m=7, lfr_n=6),
    "lfr 5/1": dict(lfr_m=5, lfr_n=1),
    "lfr 4/3": dict(lfr_m=4, lfr_n=3),
    "lfr 6/6": dict(lfr_m=6, lfr_n=6),
    "40 mels": dict(n_mels=40, lfr_m=5, lfr_n=1),
    "8 kHz": dict(sample_rate=8000, lfr_m=7, lfr_n=6),
}


def pieces(wave, size):
    """The wave cut into pieces of `size` samples, or of random sizes when that is None."""
    if size is not None:
        return [wave[i : i + size] for i in range(0, len(wave), size)] or [wave]
    rng = np.random.default_rng(len(wave))
    cuts = np.sort(rng.integers(0, len(wave), 12))  # repeated cuts give empty pieces
    return np.split(wave, cuts)


def funasr_stream(frontend, chunks, final=True, keep_wave=False):
    """Rows, and samples if asked for, that each piece gives."""
    import torch

    cache = {}
    results = []
    for i, chunk in enumerate(chunks):
        is_final = final and i == len(chunks) - 1
        values, _ = frontend(
            torch.from_numpy(chunk)[None],
            [len(chunk)],
            cache=cache,
            is_final=is_final,
            return_waveform=keep_wave,
        )
        rows = values[0].numpy() if values.ndim == 3 else None
        results.append((rows, cache["aligned_waveforms"].numpy().reshape(-1)))
    return results


def stream(frontend, chunks, final=True, keep_wave=False, state=None):
    state = state or _ext.OnlineFrontendState()
    results = []
    for i, chunk in enumerate(chunks):
        is_final = final and i == len(chunks) - 1
        results.append(frontend.accept(state, chunk, is_final, keep_wave=keep_wave))
    return results


def assert_same_stream(ours, theirs, n_mels=80):
    assert len(ours) == len(theirs)
    for piece, (mine, (rows, _)) in enumerate(zip(ours, theirs)):
        expected = 0 if rows is None else len(rows)
        assert len(mine) == expected, f"piece {piece}: {len(mine)} rows, not {expected}"
        if expected:
            assert_same(mine, rows, n_mels)


@pytest.mark.parametrize("size", [100, 160, 240, 400, 401, 560, 800, 960, 1600, 9600, 99999, None])
@pytest.mark.parametrize("name", CONFIGS)
def test_equals_funasr_at_every_feed_size(name, size):
    config = CONFIGS[name]
    theirs = funasr_frontend("WavFrontendOnline", **config)
    ours = _ext.OnlineFrontend(**config)
    for seed, samples in enumerate([4000, 9600, 16000, 17777]):
        chunks = pieces(noise(samples, seed), size)
        expected = funasr_stream(theirs, chunks)
        assert_same_stream(stream(ours, chunks), expected, config.get("n_mels", 80))


@pytest.mark.parametrize("name", ["lfr 7/6", "lfr 5/1"])
def test_short_streams(name):
    config = CONFIGS[name]
    theirs = funasr_frontend("WavFrontendOnline", **config)
    ours = _ext.OnlineFrontend(**config)
    for samples in [1, 2, 3, 159, 160, 161, 399, 400, 401, 559, 560, 720, 880, 1040, 1360, 1361]:
        for size in (7, 160, 500, 2000):
            chunks = pieces(noise(samples, samples), size)
            assert_same_stream(stream(ours, chunks), funasr_stream(theirs, chunks))
            # The last piece is often an empty one: the stream ends after its samples have come.
            chunks.append(np.zeros(0, np.float32))
            assert_same_stream(stream(ours, chunks), funasr_stream(theirs, chunks))


@pytest.mark.parametrize("name", ["lfr 7/6", "lfr 5/1", "lfr 4/3"])
@pytest.mark.parametrize("size", [160, 411, 800, 3200, 9600, None])
def test_samples_of_the_rows_equal_funasr(name, size):
    theirs = funasr_frontend("WavFrontendOnline", **CONFIGS[name])
    ours = _ext.OnlineFrontend(**CONFIGS[name])
    row_shift = 160 * CONFIGS[name]["lfr_n"]
    for samples in (4000, 16000, 17777):
        chunks = pieces(noise(samples, samples), size)
        expected = funasr_stream(theirs, chunks, keep_wave=True)
        got = stream(ours, chunks, keep_wave=True)
        assert_same_stream([rows for rows, _ in got], expected)
        for (rows, wave), (_, expected_wave) in zip(got, expected):
            assert len(wave) == ((len(rows) - 1) * row_shift + 400 if len(rows) else 0)
            np.testing.assert_array_equal(wave, expected_wave)


@pytest.mark.parametrize("name", ["lfr 7/6", "lfr 5/1"])
def test_normalised(name, tmp_path):
    config = CONFIGS[name]
    shift, scale = write_cmvn(tmp_path / "am.mvn", 80 * config["lfr_m"])
    theirs = funasr_frontend("WavFrontendOnline", cmvn_file=str(tmp_path / "am.mvn"), **config)
    ours = _ext.OnlineFrontend(cmvn_shift=shift, cmvn_scale=scale, **config)
    chunks = pieces(noise(16000), 1600)
    expected = [rows for rows, _ in funasr_stream(theirs, chunks) if rows is not None]
    got = np.concatenate(stream(ours, chunks))
    np.testing.assert_allclose(got, np.concatenate(expected), rtol=0, atol=1e-4)


# Without lfr 6/6: FunASR's rows drift by a frame where lfr_m <= lfr_n, and ours follow them.
@pytest.mark.parametrize("m, n", [(7, 6), (5, 1), (4, 3), (1, 1)])
@pytest.mark.parametrize("samples", [400, 720, 1360, 9600, 16000, 17777])
def test_a_stream_gives_the_rows_of_the_whole(m, n, samples):
    wave = noise(samples, 1)
    whole = _ext.Frontend(lfr_m=m, lfr_n=n).compute([wave])[0][0]
    ours = _ext.OnlineFrontend(lfr_m=m, lfr_n=n)
    for size in (50, 160, 400, 1234, samples):
        np.testing.assert_array_equal(np.concatenate(stream(ours, pieces(wave, size))), whole)


def test_the_end_leaves_a_fresh_state():
    ours = _ext.OnlineFrontend(lfr_m=7, lfr_n=6)
    chunks = pieces(noise(16000), 1600)
    state = _ext.OnlineFrontendState()
    first = np.concatenate([rows for rows, _ in stream(ours, chunks, True, True, state)])
    again = np.concatenate([rows for rows, _ in stream(ours, chunks, True, True, state)])
    np.testing.assert_array_equal(first, again)


def test_an_error_leaves_the_state_as_it_was():
    ours = _ext.OnlineFrontend(lfr_m=7, lfr_n=6)
    chunks = pieces(noise(16000), 1600)
    expected = np.concatenate(stream(ours, chunks))
    state = _ext.OnlineFrontendState()
    got = []
    for i, chunk in enumerate(chunks):
        bad = chunk.copy()
        bad[i] = np.nan
        with pytest.raises(ValueError, match="expected finite samples, got NaN"):
            ours.accept(state, bad)
        with pytest.raises(ValueError, match="expected float32 samples, got float64"):
            ours.accept(state, chunk.astype(np.float64))
        got.append(ours.accept(state, chunk, i == len(chunks) - 1))
    np.testing.assert_array_equal(np.concatenate(got), expected)


def test_samples_asked_for_too_late():
    ours = _ext.OnlineFrontend(lfr_m=5, lfr_n=1)
    state = _ext.OnlineFrontendState()
    ours.accept(state, noise(1600))
    with pytest.raises(ValueError, match="keep_wave: expected the same value for all pieces"):
        ours.accept(state, noise(100), keep_wave=True, is_final=True)
    assert len(ours.accept(state, noise(100), is_final=True)) > 0


def test_a_copy_is_a_fork():
    ours = _ext.OnlineFrontend(lfr_m=5, lfr_n=1)
    chunks = pieces(noise(8000), 1000)
    state = _ext.OnlineFrontendState()
    for chunk in chunks[:4]:
        ours.accept(state, chunk)
    fork = state.copy()
    ours.accept(fork, noise(3000, 9), True)
    rest = [ours.accept(state, chunk, i == 3) for i, chunk in enumerate(chunks[4:])]
    expected = stream(ours, chunks)[4:]
    np.testing.assert_array_equal(np.concatenate(rest), np.concatenate(expected))


def test_sixteen_streams_in_sixteen_threads():
    ours = _ext.OnlineFrontend(lfr_m=7, lfr_n=6)
    sizes = [160 + 97 * i for i in range(16)]
    waves = [noise(16000 + 333 * i, i) for i in range(16)]
    expected = [np.concatenate(stream(ours, pieces(w, s))) for w, s in zip(waves, sizes)]
    got = [None] * 16
    start = threading.Barrier(16)

    def run(i):
        start.wait()
        got[i] = np.concatenate(stream(ours, pieces(waves[i], sizes[i])))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, alone in zip(got, expected):
        np.testing.assert_array_equal(mine, alone)


def test_windows_that_leave_gaps():
    with pytest.raises(ValueError, match="frame_length_ms: a stream needs at least frame_shift_ms"):
        _ext.OnlineFrontend(frame_length_ms=25.0, frame_shift_ms=30.0)
