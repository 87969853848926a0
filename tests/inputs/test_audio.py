"""Arrays, bytes and resampling, compared with FunASR's loader."""

from __future__ import annotations

import io
import random
import sys
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from safeasr.errors import AudioError
from safeasr.inputs.audio import load_audio, mono_float32, resample
from safeasr.inputs.mpeg import is_mpeg_stream
from support.names import named
from support.processes import run_to_end

RNG = np.random.default_rng(0)
WAVE = (0.2 * RNG.standard_normal(8000)).clip(-0.9, 0.9).astype(np.float32)


@pytest.fixture(scope="session")
def oracle() -> Any:
    """FunASR's loader."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import load_utils

    return load_utils


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000])
def test_arrays_are_resampled_as_by_funasr(oracle: Any, rate: int) -> None:
    for length in (1, 2, 37, 4999, 8000):
        expected = oracle.load_audio_text_image_video(WAVE[:length], fs=16000, audio_fs=rate)
        ours = mono_float32(WAVE[:length], fs=rate)
        assert ours.shape == tuple(expected.shape)
        np.testing.assert_allclose(ours, expected.numpy(), atol=1e-6)


def test_length_is_librosas_for_odd_ratios(oracle: Any) -> None:
    rng = random.Random(1)
    for _ in range(60):
        length, rate, target = rng.randrange(1, 3000), rng.randrange(4000, 50000), 16000
        wave = WAVE[:length]
        expected = oracle.load_audio_text_image_video(wave, fs=target, audio_fs=rate)
        np.testing.assert_allclose(resample(wave, rate, target), expected.numpy(), atol=1e-6)


def test_matching_float32_vector_is_not_copied() -> None:
    assert mono_float32(WAVE) is WAVE
    assert load_audio(WAVE) is WAVE
    strided = WAVE[::2]
    made = mono_float32(strided)
    assert made.flags.c_contiguous
    np.testing.assert_array_equal(made, strided)
    tensor = torch.from_numpy(WAVE)
    assert np.shares_memory(mono_float32(tensor), WAVE)


@pytest.mark.parametrize(
    ("dtype", "low", "high", "zero", "full"),
    [
        (np.int8, -128, 127, 0, 128),
        (np.uint8, 0, 255, 128, 128),
        (np.int16, -32768, 32767, 0, 32768),
        (np.int32, -(2**31), 2**31 - 1, 0, 2**31),
    ],
)
def test_integers_are_scaled_by_their_full_range(
    dtype: Any, low: int, high: int, zero: int, full: int
) -> None:
    samples = np.array([low, zero, high], dtype=dtype)
    expected = ((samples.astype(np.float64) - zero) / full).astype(np.float32)
    np.testing.assert_array_equal(mono_float32(samples), expected)
    np.testing.assert_array_equal(mono_float32(torch.from_numpy(samples)), expected)
    assert expected[0] == -1.0
    assert expected[1] == 0.0


def test_int16_array_equals_the_same_samples_in_a_file() -> None:
    samples = (WAVE * 20000).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="WAV", subtype="PCM_16")
    np.testing.assert_array_equal(mono_float32(samples), load_audio(file.getvalue()))


def test_other_real_types_and_layouts() -> None:
    for same in (
        WAVE.astype(np.float64),
        WAVE.astype(">f4"),
        WAVE.tolist(),
        tuple(WAVE.tolist()),
        torch.from_numpy(WAVE).double().requires_grad_(),
        torch.nn.Parameter(torch.from_numpy(WAVE)),
    ):
        np.testing.assert_array_equal(load_audio(same), WAVE)
    for half in (WAVE.astype(np.float16), torch.from_numpy(WAVE).bfloat16()):
        np.testing.assert_allclose(load_audio(half), WAVE, atol=1e-2)
    stereo = np.stack([WAVE, -0.5 * WAVE])
    for both in (stereo, stereo.T, torch.from_numpy(stereo), np.asfortranarray(stereo)):
        np.testing.assert_allclose(mono_float32(both), 0.25 * WAVE, atol=1e-7)
    np.testing.assert_array_equal(mono_float32(WAVE[None]), WAVE)
    np.testing.assert_array_equal(mono_float32(WAVE[:, None]), WAVE)


def test_an_object_with_array_protocol_is_taken() -> None:
    class Wrapped:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return WAVE

    np.testing.assert_array_equal(load_audio(Wrapped()), WAVE)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((2, 0), np.float32), "no samples"),
        (np.float32(1), r"shape \(\)"),
        (np.array(1.0), r"shape \(\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros((100, 80), np.float32), "at most 32 channels"),
        (np.array([0, np.nan], np.float32), "1 of 2 that are NaN"),
        (np.array([np.inf, -np.inf, 0]), "2 of 3"),
        (np.array([1e300]), "infinite"),
        (np.array([1, 2]), "int64 have no known full scale"),
        (np.array([1, 2], np.uint16), "uint16"),
        (np.array([True]), "got bool"),
        (np.array([1j]), "got complex128"),
        (np.array([None]), "got object"),
        (np.array(["a"]), "got <U1"),
        (torch.zeros(3, dtype=torch.complex64), "got complex64"),
        (torch.zeros(3).to_sparse(), "numpy cannot view"),
        ([1, 2, 3], "does not say its full scale"),
        ([[0.1], [0.2]], "flat list"),
        ([0.1, "x"], "flat list"),
        ([0.1, [0.2, 0.3]], "flat list"),
        (b"", "no samples"),
        (b"abc", "3 bytes are not whole samples"),
        (b"\xfe\xff\x01", "3 bytes are not whole samples"),
        (io.BytesIO(b""), "empty"),
        (io.StringIO("text"), "binary mode"),
        (None, "got NoneType"),
        ({"a": 1}, "got dict"),
        (3.5, "got float"),
    ],
    ids=named,
)
def test_what_is_no_audio_is_refused(value: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        load_audio(value)


@pytest.mark.parametrize("rate", [0, -1, 1.5, float("nan"), float("inf"), "16000", None, True, 1e9])
def test_rates_are_checked(rate: Any) -> None:
    with pytest.raises(AudioError, match="fs must be a whole number of Hz"):
        mono_float32(WAVE, fs=rate)
    with pytest.raises(AudioError, match="sample_rate must be"):
        load_audio(WAVE, sample_rate=rate)
    assert mono_float32(WAVE, fs=8000.0).shape == (16000,)  # type: ignore[arg-type]


def test_a_large_sum_is_not_taken_for_infinity() -> None:
    loud = np.full(100, 3e38, dtype=np.float32)
    assert mono_float32(loud) is loud


def test_raw_pcm_bytes_are_int16_at_fs(oracle: Any) -> None:
    pcm = (WAVE * 20000).astype("<i2").tobytes()
    expected = oracle.load_bytes(pcm)
    for same in (pcm, bytearray(pcm), memoryview(pcm)):
        np.testing.assert_array_equal(load_audio(same), expected)
    resampled = oracle.load_audio_text_image_video(expected, fs=16000, audio_fs=8000)
    np.testing.assert_allclose(load_audio(pcm, fs=8000), resampled.numpy(), atol=1e-6)


def _encoded(format_: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, WAVE, 16000, format=format_, subtype=subtype)
    return file.getvalue()


def _frames(header: bytes, length: int, count: int) -> bytes:
    return (header + bytes(length - len(header))) * count


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (_frames(b"\xff\xfb\x90\x00", 417, 2), True),  # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz
        (_frames(b"\xff\xfb\x92\x00", 418, 2), True),  # the same, padded
        (_frames(b"\xff\xfb\x90\x00", 416, 2), False),
        (_frames(b"\xff\xf3\x40\x00", 104, 2), True),  # MPEG-2 layer 3, 32 kbit/s, 22.05 kHz
        (_frames(b"\xff\xe3\x48\x00", 288, 2), True),  # MPEG-2.5 layer 3, 32 kbit/s, 8 kHz
        (_frames(b"\xff\xfd\x80\x00", 417, 2), True),  # MPEG-1 layer 2, 128 kbit/s, 44.1 kHz
        (_frames(b"\xff\xff\x40\x00", 136, 2), True),  # MPEG-1 layer 1, 128 kbit/s, 44.1 kHz
        (_frames(b"\xff\xfb\x00\x00", 300, 3), True),  # free format
        (_frames(b"\xff\xfb\x00\x00", 300, 2), False),
        (_frames(b"\xff\xfb\x90\x00", 417, 1), False),
        (b"\xff\xff" * 9000, False),  # samples of -1
    ],
)
def test_mpeg_frames_are_told_from_samples(oracle: Any, data: bytes, expected: bool) -> None:
    assert is_mpeg_stream(data) is expected
    assert oracle._is_audio_container(data) is expected


def test_two_frames_of_different_streams_are_samples(oracle: Any) -> None:
    """A stream keeps its rate; FunASR takes any second header that is valid in itself."""
    data = _frames(b"\xff\xfb\x90\x00", 417, 1) + _frames(b"\xff\xfb\x94\x00", 417, 1)
    assert oracle._is_audio_container(data)
    assert not is_mpeg_stream(data)


def test_file_objects_are_read_from_their_start() -> None:
    file = io.BytesIO(_encoded("FLAC"))
    first = load_audio(file)
    np.testing.assert_array_equal(load_audio(file), first)
    file.close()
    with pytest.raises(AudioError, match="closed file"):
        load_audio(file)


def test_importing_is_light() -> None:
    """Programs that never decode a file do not pay for the decoders, nor for torch or funasr."""
    code = (
        "import sys, types, pathlib\n"
        "package = types.ModuleType('safeasr')\n"
        "package.__path__ = [str(pathlib.Path(sys.argv[1]))]\n"
        "sys.modules['safeasr'] = package\n"
        "import safeasr.inputs.audio, safeasr.inputs.expand\n"
        "import safeasr.text.sentence, safeasr.text.timestamps\n"
        "import safeasr.text.hotwords\n"
        "heavy = {'torch', 'funasr', 'librosa', 'scipy', 'soundfile', 'soxr', 'pypinyin'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    import safeasr

    folder = str(__import__("pathlib").Path(safeasr.__file__).parent)
    done = run_to_end([sys.executable, "-c", code, folder])
    assert done.returncode == 0, done.stderr
