"""Audio files that are none: lists of other files, and what takes for ever."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AutoModel, DeadlineExceededError
from safeasr.errors import AudioError
from safeasr.inputs import ffmpeg
from safeasr.inputs.audio import load_audio
from safeasr.inputs.decoders import decode_pcm16
from support.audio import speech
from support.audio_files import write_encoded

#: What makes a list look like MP3 to whoever asks for a magic number: an empty tag.
TAG = b"ID3\x03\0\0\0\0\0\x14" + b"\0" * 20

LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    "hls without end": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n",
    "hls by url": "#EXTM3U\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{path}\n",
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="1">'
        "<BaseURL>{path}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ),
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "subtitles": "WEBVTT\n\n00:00.000 --> 00:10.000\n{path}\n",
    "vobsub": "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n",
    "m3u": "#EXTM3U\n{path}\n",
}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A recording that nobody may hear by way of another file."""
    path = tmp_path / "secret.wav"
    soundfile.write(path, speech(1.0), 16000)
    return path


@pytest.mark.parametrize("tagged", [False, True], ids=["bare", "tagged"])
@pytest.mark.parametrize("kind", LISTS)
def test_lists_open_nothing(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, kind: str, tagged: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    text = LISTS[kind].format(path=secret).encode()
    data = TAG + text if tagged else text + b"\n" * (len(text) % 2)
    begun = time.monotonic()
    for name in ("a.mp3", "a.m3u8", "a.ffconcat", "a.m4a", "a%d.png", "a.sdp", "a.vtt", "a"):
        Path(name).write_bytes(data)
        with Path(name).open("rb") as file:
            for way in (name, Path(name).absolute(), io.BytesIO(data), file):
                with pytest.raises(AudioError, match="cannot be decoded"):
                    load_audio(way)
    if tagged:
        with pytest.raises(AudioError, match="cannot be decoded"):
            load_audio(data)
    else:  # nothing says that these are no samples
        np.testing.assert_array_equal(load_audio(data), decode_pcm16(data))
    assert time.monotonic() - begun < 20, "a list without an end was waited for"


def test_formats_are_those_of_this_ffmpeg() -> None:
    """A name that FFmpeg does not have would be a format that is quietly refused."""
    import av

    assert set(ffmpeg.FORMATS) <= av.formats_available
    refused = "hls dash concat image2 image2pipe lavfi alsa sdp rtp rtsp webvtt ffmetadata tty"
    assert not set(ffmpeg.FORMATS) & set(refused.split())


def encoded(tmp_path: Path, name: str, seconds: float) -> Path:
    path = tmp_path / name
    wave = np.zeros(int(seconds * 16000), np.float32)
    if name.endswith(".flac"):
        soundfile.write(path, wave, 16000)
    else:
        write_encoded(path, wave, 16000)
    return path


@pytest.mark.parametrize("name", ["a.flac", "a.m4a"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_decoding_looks_at_the_deadline_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, as_bytes: bool
) -> None:
    path = encoded(tmp_path, name, 180.0)
    source: Any = path.read_bytes() if as_bytes else path
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return float(looks)

    monkeypatch.setattr("safeasr.deadlines.time.monotonic", clock)
    assert len(load_audio(source, deadline=1e9)) >= 180 * 16000
    needed, looks = looks, 0
    assert needed > 5
    for deadline in (1.0, needed // 2, needed - 0.5):
        looks = 0
        with pytest.raises(DeadlineExceededError, match="while the audio was being read"):
            load_audio(source, deadline=deadline)
        assert looks <= deadline + 1


def test_a_call_that_is_late_reads_no_audio(
    tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    path = encoded(tmp_path, "a.m4a", 1.0)
    with pytest.raises(DeadlineExceededError):
        make_model().generate([str(path)] * 3, timeout=0)
