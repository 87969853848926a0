"""Recordings that are decoded as they are read: the samples of those that are decoded at once."""

from __future__ import annotations

import io
import os
import threading
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr.errors import AudioError, AudioFileNotFoundError, AudioTooLongError
from safeasr.inputs import recording, sndfile
from safeasr.inputs.audio import load_audio, open_audio, reading_of
from safeasr.inputs.reading import Parts
from safeasr.inputs.recording import Recording
from safeasr.inputs.utterance import Utterance
from support.audio import Samples, speech
from support.containers import ffmpeg_bytes, sndfile_bytes

WAVE = speech(11.3)
#: Samples of the blocks in these tests: two seconds.
BLOCK = 32000


@pytest.fixture(autouse=True)
def _in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "BLOCK_S", 2)
    monkeypatch.setattr(sndfile, "_BLOCK_SAMPLES", 9000)


def forms() -> dict[str, bytes]:
    return {
        "a.wav": sndfile_bytes("WAV", WAVE, 16000),
        "b.wav": sndfile_bytes("WAV", speech(11.3, rate=44100), 44100),
        "c.wav": sndfile_bytes("WAV", np.stack([WAVE, -WAVE / 2], axis=1), 16000),
        "d.flac": sndfile_bytes("FLAC", speech(11.3, rate=8000), 8000),
        "e.mp3": sndfile_bytes("MP3", WAVE, 16000),
        "f.ogg": sndfile_bytes("OGG", WAVE, 16000),
        "g.m4a": ffmpeg_bytes("ipod", "aac", WAVE, 16000),
        "h.aac": ffmpeg_bytes("adts", "aac", WAVE, 16000),
        "i.pcm": (WAVE * 32767).astype("<i2").tobytes(),
        "exact.wav": sndfile_bytes("WAV", WAVE[: 4 * BLOCK], 16000),
        "short.wav": sndfile_bytes("WAV", WAVE[:100], 16000),
    }


def opened(source: Any, fs: int | None = None, **terms: Any) -> Recording:
    return open_audio(source, reading_of(fs, 16000, **terms))


def read_all(one: Recording) -> Samples:
    blocks = []
    while True:
        block = one.read()
        blocks.append(block.samples)
        assert block.samples.dtype == np.float32
        if block.is_last:
            assert one.ended
            return np.concatenate(blocks)
        assert len(block.samples) == BLOCK


@pytest.mark.parametrize("name", list(forms()))
def test_equal_to_what_is_decoded_at_once(tmp_path: Path, name: str) -> None:
    data = forms()[name]
    path = tmp_path / name
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        if name == "i.pcm" and isinstance(source, io.BytesIO):
            continue
        fs = 16000 if name == "i.pcm" else None
        np.testing.assert_array_equal(
            read_all(opened(source, fs)), load_audio(source, fs), strict=True
        )


def test_bytes_cost_no_more_than_a_file() -> None:
    """An upload of hours: what comes later is not decoded yet."""
    data = sndfile_bytes("FLAC", np.zeros(16000 * 600, np.float32), 16000)
    tracemalloc.start()
    try:
        one = opened(data)
        for _ in range(100):
            one.read()
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_what_is_samples_already() -> None:
    for source in (WAVE, (WAVE * 32767).astype(np.int16), WAVE[:10].tolist()):
        np.testing.assert_array_equal(read_all(opened(source)), load_audio(source))
    assert np.shares_memory(opened(WAVE).read().samples, WAVE)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.05])
@pytest.mark.parametrize("name", ["e.mp3", "d.flac", "g.m4a", "f.ogg"])
def test_damaged_in_the_middle(tmp_path: Path, name: str, kept: float) -> None:
    """What was given out stays; what follows is what FFmpeg makes of it, or what there is."""
    data = bytearray(forms()[name])
    middle = int(len(data) * kept)
    data[middle : middle + 2000] = os.urandom(min(2000, len(data) - middle))
    path = tmp_path / name
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            whole: Samples | AudioError = load_audio(path)
        except AudioError as error:
            whole = error
        one = opened(path)
        if isinstance(whole, AudioError):
            with pytest.raises(AudioError):
                read_all(one)
        else:
            got = read_all(one)
            assert len(got) == len(whole)
            # Of what libsndfile could decode, FFmpeg gives the same but for rounding and delay.
            assert np.abs(got - whole).max() < 0.5
        assert one.ended


def test_begun_again_before_anything_was_given_out() -> None:
    def parts() -> Parts:
        yield WAVE[:20000] * 0
        yield None
        yield WAVE
        return None

    np.testing.assert_array_equal(read_all(Recording(parts(), 16000)), WAVE)


def test_begun_again_later() -> None:
    def parts() -> Parts:
        yield WAVE[: 2 * BLOCK]
        yield None
        for at in range(0, len(WAVE), 1000):
            yield WAVE[at : at + 1000] * 2
        return None

    got = read_all(Recording(parts(), 16000))
    np.testing.assert_array_equal(got[:BLOCK], WAVE[:BLOCK])
    np.testing.assert_array_equal(got[BLOCK:], WAVE[BLOCK:] * 2)


def test_errors_say_which_input() -> None:
    missing = Utterance("a", "/nowhere/a.wav", index=3).open()
    with pytest.raises(AudioFileNotFoundError, match=r"^input 3 \(key 'a'\): expected audio"):
        missing.read()
    with pytest.raises(AudioError, match=r"^input 1 \(key 'b'\): fs must be"):
        Utterance("b", WAVE, index=1, fs=-5).open()
    with pytest.raises(AudioError, match=r"^input 0 \(key 'c'\): expected audio, got no samples"):
        Utterance("c", sndfile_bytes("WAV", WAVE[:0], 16000)).open().read()
    late = Utterance("d", forms()["a.wav"], max_seconds=5).open().read
    with pytest.raises(AudioTooLongError, match=r"^input 0 \(key 'd'\): "):
        late()


def test_too_long_for_its_header(tmp_path: Path) -> None:
    """Found out as it is read; what came before was given out."""
    flac = bytearray(sndfile_bytes("FLAC", WAVE, 16000))
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    path = tmp_path / "a.flac"
    path.write_bytes(flac)
    one = opened(path, max_seconds=9.0)
    assert len(one.read().samples) == BLOCK
    with pytest.raises(AudioTooLongError, match="lasts at least"):
        read_all(one)
    assert one.ended
    with pytest.raises(ValueError, match="closed"):
        one.read()


def open_files(path: Path) -> int:
    links = Path("/proc/self/fd")
    return sum(1 for link in links.iterdir() if _target(link) == str(path))


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files there")
@pytest.mark.parametrize("name", ["a.wav", "g.m4a", "i.pcm"])
def test_files_are_closed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(forms()[name])
    one = opened(path)
    assert open_files(path) == 0
    one.read()
    assert open_files(path) == 1
    one.close()
    assert open_files(path) == 0
    with pytest.raises(ValueError, match="closed"):
        one.read()
    forgotten = opened(path)
    forgotten.read()
    del forgotten
    assert open_files(path) == 0
    read_all(opened(path))
    assert open_files(path) == 0
    never_read = opened(path)
    never_read.close()
    assert never_read.ended


def test_closed_while_another_thread_reads() -> None:
    inside, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def parts() -> Parts:
        try:
            inside.set()
            assert go_on.wait(60)
            yield WAVE
            return None
        finally:
            closed.set()

    one = Recording(parts(), 16000)
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(one.read()))
    reader.start()
    assert inside.wait(60)
    with pytest.raises(ValueError, match="another thread"):
        one.read()
    one.close()
    assert one.ended and not closed.is_set()
    go_on.set()
    reader.join(60)
    assert closed.is_set() and len(found[0].samples) == BLOCK


def test_closed_and_read_at_the_same_time() -> None:
    """Whichever comes first: what is behind it is closed exactly once, and nobody waits."""
    for _ in range(300):
        ends: list[int] = []

        def parts(ends: list[int] = ends) -> Parts:
            try:
                for _ in range(20):
                    yield WAVE[:BLOCK]
                return None
            finally:
                ends.append(1)

        one = Recording(parts(), 16000)
        one.read()

        def read(one: Recording = one) -> None:
            try:
                while not one.read().is_last:
                    pass
            except ValueError:
                return

        reader = threading.Thread(target=read)
        reader.start()
        one.close()
        reader.join(60)
        assert ends == [1]
