"""Audio files of all formats, compared with FunASR's loader."""

from __future__ import annotations

import io
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr.errors import AudioError, AudioFileNotFoundError
from safeasr.inputs import sndfile
from safeasr.inputs.audio import load_audio
from support.audio_files import write_encoded
from support.paths import DATA

RECORDINGS = ["asr_example.wav", "vad_example.wav", "zh.mp3", "en.mp3"]
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="session")
def oracle() -> Any:
    """FunASR's loader."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import load_utils

    return load_utils


def speechlike(rate: int, channels: int = 1, seconds: float = 0.4) -> np.ndarray:
    """Tones and noise; the channels differ."""
    rng = np.random.default_rng(rate + channels)
    time = np.arange(int(rate * seconds)) / rate
    tones = [0.2 * np.sin(2 * np.pi * 220 * (1 + c) * time) for c in range(channels)]
    wave = np.stack(tones, axis=1) + 0.02 * rng.standard_normal((len(time), channels))
    return wave[:, 0] if channels == 1 else wave


def assert_like_funasr(oracle: Any, path: Path) -> None:
    expected = oracle.load_audio_text_image_video(str(path), fs=16000).numpy()
    ours = load_audio(path)
    assert ours.dtype == np.float32
    assert ours.flags.c_contiguous
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    for same in (str(path), path.read_bytes(), path.open("rb")):
        np.testing.assert_allclose(load_audio(same), ours, atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        *((name, channels) for name in ("a.wav", "a.flac", "a.ogg") for channels in (1, 2, 6)),
        *(("a.mp3", channels) for channels in (1, 2)),
    ],
)
def test_formats_rates_and_channels(
    oracle: Any, tmp_path: Path, name: str, channels: int, rate: int
) -> None:
    path = tmp_path / name
    soundfile.write(path, speechlike(rate, channels), rate)
    assert_like_funasr(oracle, path)


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"]
)
def test_wav_sample_types(oracle: Any, tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speechlike(16000), 16000, subtype=subtype)
    assert_like_funasr(oracle, path)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.aac", "a.wma", "a.mp4"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_formats_that_ffmpeg_decodes(oracle: Any, tmp_path: Path, name: str, rate: int) -> None:
    path = tmp_path / name
    write_encoded(path, speechlike(48000 if name == "a.webm" else rate, 2), rate)
    expected = oracle.load_audio_text_image_video(str(path), fs=16000).numpy()
    # Other releases of FFmpeg may round the last bit another way.
    np.testing.assert_allclose(load_audio(path), expected, atol=2.0**-15)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.aac", "a.wma", "a.mp4", "a.ts", "a.flv"])
def test_encoded_audio_by_every_way(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_encoded(path, speechlike(48000, 2), 48000)
    by_path = load_audio(path)
    assert 5000 < len(by_path) < 9000
    np.testing.assert_array_equal(load_audio(io.BytesIO(path.read_bytes())), by_path)
    # The file states its rate, so that fs is not used; FunASR resamples a second time.
    np.testing.assert_array_equal(load_audio(path, fs=8000), by_path)
    np.testing.assert_array_equal(load_audio(path.read_bytes()), by_path)


@pytest.mark.parametrize("name", ["-x.m4a", "http:x.m4a", "concat:a|b.m4a"])
@pytest.mark.skipif(os.name == "nt", reason="Windows forbids these names")
def test_names_are_not_options_or_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_encoded(Path("plain.m4a"), speechlike(16000), 16000)
    Path("plain.m4a").rename(name)
    assert len(load_audio(name)) > 4000


def test_mp4_bytes_with_the_index_at_the_end(tmp_path: Path) -> None:
    """Its reader must be able to seek."""
    path = tmp_path / "a.m4a"
    write_encoded(path, speechlike(44100, seconds=20.0), 44100)
    data = path.read_bytes()
    assert data.index(b"moov") > 50_000
    np.testing.assert_array_equal(load_audio(data), load_audio(path))


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.wav"])
def test_blocks_are_decoded_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A frame of an MP3 needs bits of those before."""
    path = tmp_path / name
    soundfile.write(path, speechlike(16000, seconds=5.0), 16000)
    whole, _ = soundfile.read(path, dtype="float32")
    monkeypatch.setattr(sndfile, "_BLOCK_SAMPLES", 5000)
    np.testing.assert_array_equal(load_audio(path), whole)
    np.testing.assert_array_equal(load_audio(path.read_bytes()), whole)


def test_damaged_packets_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    write_encoded(path, speechlike(16000, seconds=5.0), 16000)
    whole, data = load_audio(path), bytearray(path.read_bytes())
    middle = data.index(b"moov") // 2
    data[middle : middle + 2000] = b"\xff" * 2000
    with pytest.warns(UserWarning, match="is damaged"):
        left = load_audio(bytes(data))
    assert len(whole) // 2 < len(left) <= len(whole)


def test_pcm_files_are_raw_samples_at_fs(oracle: Any, tmp_path: Path) -> None:
    path = tmp_path / "A.PCM"
    (speechlike(8000) * 20000).astype("<i2").tofile(path)
    for fs in (8000, 16000):
        expected = oracle.load_audio_text_image_video(str(path), fs=16000, audio_fs=fs).numpy()
        np.testing.assert_allclose(load_audio(path, fs=fs), expected, atol=1e-6)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings(oracle: Any, name: str) -> None:
    path = DATA / "audio" / name
    if not path.is_file():
        pytest.skip(f"{name} is not there: set SAFEASR_TEST_DATA to the folder with the recordings")
    assert_like_funasr(oracle, path)


def test_missing_files_are_file_not_found_errors(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.wav", str(tmp_path / "none.wav"), "今天天气很好", "", "a\0b"):
        with pytest.raises(AudioFileNotFoundError, match="names no file"):
            load_audio(missing)
    with pytest.raises(FileNotFoundError):
        load_audio("none.wav")
    with pytest.raises(AudioFileNotFoundError) as caught:
        load_audio("x" * 100000)
    assert len(str(caught.value)) < 500


def test_directories_devices_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="directory"):
        load_audio(tmp_path)
    empty = tmp_path / "empty.wav"
    empty.touch()
    with pytest.raises(AudioError, match="is empty"):
        load_audio(empty)
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(0), 16000)
    with pytest.raises(AudioError, match="no samples"):
        load_audio(silent)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
        with pytest.raises(AudioError, match="device or pipe"):
            load_audio(tmp_path / "pipe.wav")


@pytest.mark.parametrize(
    "name", ["broken.wav", "broken.raw", "broken.mp3", "-i.flac", "http:x.ogg"]
)
def test_corrupt_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"RIFF\x00\x00\x00\x00WAVE" + b"no sound here " * 30)
    with pytest.raises(AudioError, match=r"cannot be decoded; libsndfile: .*; ffmpeg: "):
        load_audio(path)
    with pytest.raises(AudioError, match="cannot be decoded"):
        load_audio(path.read_bytes())


def test_damaged_headers_do_not_exhaust_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speechlike(16000), 16000)
    data = bytearray(path.read_bytes())
    data[24:28] = (1).to_bytes(4, "little")  # one sample a second: 16,000 times as many
    with pytest.raises(AudioError, match="the file's sample rate must be"):
        load_audio(bytes(data))


def test_many_threads_decode_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, speechlike(44100, 2), 44100)
    alone = load_audio(path)
    start = threading.Barrier(8)

    def work(_: int) -> bool:
        start.wait()
        return all(np.array_equal(load_audio(path), alone) for _ in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
