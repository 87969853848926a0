"""Audio of every container, given in every way: always the same samples."""

from __future__ import annotations

import contextlib
import io
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from safeasr.errors import AudioError
from safeasr.inputs.audio import load_audio
from support.audio import speech
from support.containers import BY_FFMPEG, BY_SNDFILE, ffmpeg_bytes, sndfile_bytes
from support.served import Shelf, serving

NAMES = [*BY_FFMPEG, *BY_SNDFILE]
SECONDS = 1.5
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="session")
def shelf() -> Iterator[Shelf]:
    with serving() as shelf:
        yield shelf


@pytest.fixture(scope="session")
def encoded() -> dict[str, bytes]:
    """A second of speech in all containers that this machine has an encoder for."""
    made = {}
    for name, (container, codec, rate) in BY_FFMPEG.items():
        if codec in av.codecs_available:
            made[name] = ffmpeg_bytes(container, codec, speech(SECONDS, rate=rate), rate)
    for name in BY_SNDFILE:
        made[name] = sndfile_bytes(name, speech(SECONDS), 16000)
    assert len(made) > 30
    return made


@pytest.mark.parametrize("name", NAMES)
def test_every_way_gives_the_same(
    encoded: dict[str, bytes], shelf: Shelf, tmp_path: Path, name: str
) -> None:
    if name not in encoded:
        pytest.skip("no encoder")
    data = encoded[name]
    path = tmp_path / "audio.bin"
    path.write_bytes(data)
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("error")
        by_path = load_audio(path)
        assert abs(len(by_path) - SECONDS * 16000) < 3000
        assert np.abs(by_path).max() > 0.05
        ways = [str(path), data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        ways += [memoryview(np.frombuffer(data, np.int8)), memoryview(data + data)[: len(data)]]
        ways.append(shelf.put("some/where", data))
        for way in ways:
            np.testing.assert_array_equal(load_audio(way), by_path)
        # A header states the rate; fs is for what states none.
        np.testing.assert_array_equal(load_audio(data, fs=8000), by_path)


@needs_ffmpeg
@pytest.mark.parametrize("name", NAMES)
def test_samples_are_funasrs(encoded: dict[str, bytes], tmp_path: Path, name: str) -> None:
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import load_utils

    if name not in encoded or name == "mka":
        pytest.skip("no encoder, or releases of FFmpeg differ in the delay that they drop")
    path = tmp_path / f"audio.{name}"
    path.write_bytes(encoded[name])
    expected = load_utils.load_audio_text_image_video(str(path), fs=16000).numpy()
    ours = load_audio(path)
    if name in BY_SNDFILE:
        np.testing.assert_allclose(ours, expected, atol=1e-6)
        return
    length = min(len(expected), len(ours))
    assert length > SECONDS * 16000 - 1600
    # Other releases of FFmpeg may round another way, and know other paddings at the end.
    np.testing.assert_allclose(ours[:length], expected[:length], atol=2e-3)


@needs_ffmpeg
def test_of_several_tracks_the_one_that_ffmpeg_takes(tmp_path: Path) -> None:
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import load_utils

    for container, codec in (("matroska", "pcm_s16le"), ("mov", "pcm_s16le"), ("mpegts", "mp2")):
        data = ffmpeg_bytes(container, codec, speech(1.0), 16000, tracks=3)
        path = tmp_path / f"three.{container}"
        path.write_bytes(data)
        expected = load_utils.load_audio_text_image_video(str(path), fs=16000).numpy()
        np.testing.assert_allclose(load_audio(data), expected, atol=2.0**-15)


def test_a_film_without_sound(tmp_path: Path) -> None:
    for container, codec in (("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video")):
        file = io.BytesIO()
        with av.open(file, "w", format=container) as writer:
            stream = writer.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for _ in range(30):
                writer.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
            writer.mux(stream.encode(None))
        for way in (file.getvalue(), file):
            with pytest.raises(AudioError, match="found no sound in it"):
                load_audio(way, fs=16000)


@pytest.mark.parametrize("name", ["m4a", "ts", "webm", "mp2", "ac3", "aac"])
def test_damage_in_the_middle(encoded: dict[str, bytes], name: str) -> None:
    whole = load_audio(encoded[name])
    data = bytearray(encoded[name])
    middle = len(data) // 2
    rng = np.random.default_rng(0)
    data[middle : middle + 700] = rng.bytes(700)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            left = load_audio(bytes(data))
        except AudioError as error:  # an encoding without any check of its own may swallow it
            pytest.fail(str(error))
    assert len(whole) // 2 < len(left) <= 1.1 * len(whole)
    if caught:
        assert "is damaged" in str(caught[0].message)
        with pytest.raises(AudioError, match=r"is damaged: .*strict_audio"):
            load_audio(bytes(data), strict=True)


@pytest.mark.parametrize("name", ["FLAC", "m4a", "OGG"])
@pytest.mark.parametrize("way", [bytes, io.BytesIO])
def test_damage_is_told(encoded: dict[str, bytes], name: str, way: Any) -> None:
    # Long enough to lose no more than a part of it.
    whole = encoded[name] if name == "m4a" else sndfile_bytes(name, speech(8.0), 16000)
    data = bytearray(whole)
    begin = len(data) // 2
    data[begin : begin + 4000] = b"\xff" * 4000 if name == "m4a" else bytes(4000)
    with pytest.warns(UserWarning, match="is damaged: .* What could be decoded is used"):
        assert len(load_audio(way(data))) > 4000
    with pytest.raises(AudioError, match=r"is damaged: .*strict_audio=True"):
        load_audio(way(data), strict=True)
    assert len(load_audio(way(whole), strict=True)) > 20000


@pytest.mark.parametrize("name", ["MP3", "mp2", "aac", "ts", "ac3"])
def test_a_stream_that_was_joined_late(
    encoded: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    """It begins in the middle of a frame, and still is the same in every way."""
    path = tmp_path / "late"
    for cut in (1001, 1500, 2017):
        data = encoded[name][cut:]
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            by_path = load_audio(path)
            np.testing.assert_array_equal(load_audio(data), by_path)
            np.testing.assert_array_equal(load_audio(data, fs=16000), by_path)
        assert len(by_path) > 8000


@pytest.mark.parametrize("ending", [".vox", ".gsm", ".au", ".snd"])
def test_formats_without_a_header_are_known_by_name(tmp_path: Path, ending: str) -> None:
    import soundfile

    subtype = {".vox": "VOX_ADPCM", ".gsm": "GSM610"}.get(ending, "ULAW")
    path = tmp_path / f"a{ending}"
    soundfile.write(path, speech(1.0, rate=8000), 8000, format="RAW", subtype=subtype)
    expected = load_audio(soundfile.read(path, dtype="float32")[0], fs=8000)
    np.testing.assert_array_equal(load_audio(path), expected)
    path.write_text('{"error": "not found"}' * 100)  # to libsndfile any such name is sound
    with pytest.raises(AudioError, match="seems to be JSON"):
        load_audio(path)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_bytes_are_audio_or_an_audio_error(
    encoded: dict[str, bytes], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing else is raised, and no callback prints what it could not raise."""
    if name not in encoded:
        pytest.skip("no encoder")
    rng = np.random.default_rng(NAMES.index(name))
    patches = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80"]
    for number in range(30):
        data = bytearray(encoded[name])
        for _ in range(1 + number % 4):
            place = int(rng.integers(min(len(data), int(rng.choice([64, 300, len(data)])))))
            patch = patches[int(rng.integers(len(patches)))]
            data[place : place + len(patch) * (number % 3 > 0)] = patch
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(AudioError):
                samples = load_audio(bytes(data), max_seconds=600.0)
                assert samples.dtype == np.float32
                assert np.isfinite(samples).all()
    assert "Exception ignored" not in capfd.readouterr().err
