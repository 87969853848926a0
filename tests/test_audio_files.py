"""Audio files of all formats, compared with FunASR's loader."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import decoding
from safeasr.audio import load_audio
from safeasr.errors import AudioError, AudioFileNotFoundError

DATA = Path(os.environ.get("SAFEASR_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared")
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
    wav, path = tmp_path / "source.wav", tmp_path / name
    soundfile.write(wav, speechlike(rate, 2), rate)
    made = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(wav), str(path)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot write {name}")
    expected = oracle.load_audio_text_image_video(str(path), fs=16000).numpy()
    np.testing.assert_array_equal(load_audio(path), expected)
    # Bytes go through a file: FunASR pipes them, and an MP4 index at the end is out of reach.
    np.testing.assert_array_equal(load_audio(path.read_bytes()), expected)
    np.testing.assert_array_equal(load_audio(io.BytesIO(path.read_bytes())), expected)
    # The file states its rate, so that fs is not used; FunASR resamples a second time.
    np.testing.assert_array_equal(load_audio(path, fs=8000), expected)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["-x.m4a", "http:x.m4a", "concat:a|b.m4a"])
@pytest.mark.skipif(os.name == "nt", reason="Windows forbids these names")
def test_names_are_not_options_or_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("source.wav", speechlike(16000), 16000)
    subprocess.run(["ffmpeg", "-v", "error", "-i", "source.wav", "plain.m4a"], check=True)
    Path("plain.m4a").rename(name)
    assert len(load_audio(name)) > 4000


@needs_ffmpeg
def test_mp4_bytes_with_the_index_at_the_end(tmp_path: Path) -> None:
    """Too long for ffmpeg to hold in a pipe's buffer, so it must be able to seek."""
    wav, path = tmp_path / "source.wav", tmp_path / "a.m4a"
    soundfile.write(wav, speechlike(44100, seconds=20.0), 44100)
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "128k", path], check=True)
    data = path.read_bytes()
    assert data.index(b"moov") > 100_000
    np.testing.assert_array_equal(load_audio(data), load_audio(path))


@needs_ffmpeg
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


def test_without_ffmpeg_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(200))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AudioError, match="ffmpeg: the program is not installed"):
        load_audio(path)


@needs_ffmpeg
def test_a_hanging_ffmpeg_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    monkeypatch.setattr(decoding, "FFMPEG_TIMEOUT_S", 0.2)
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(200))
    with pytest.raises(AudioError, match="gave up after"):
        load_audio(path)


@needs_ffmpeg
def test_a_playlist_cannot_reach_the_network(tmp_path: Path) -> None:
    """A list of segments named like audio must not make ffmpeg fetch them."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]
        path = tmp_path / "a.m4a"
        path.write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n")
        with pytest.raises(AudioError, match="cannot be decoded"):
            load_audio(path)
        with pytest.raises(TimeoutError):
            server.accept()


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
