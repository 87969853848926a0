"""Audio files that are none: lists of other files, and what takes for ever."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from safeasr import AutoModel, DeadlineExceededError
from safeasr.errors import AudioError
from safeasr.inputs import ffmpeg
from safeasr.inputs.audio import load_audio
from support.audio import speech
from support.audio_files import write_encoded
from support.canary import Canary, watched
from support.containers import ffmpeg_bytes, sndfile_bytes
from support.served import Shelf, serving

#: What makes a list look like MP3 to whoever asks for a magic number: an empty tag.
TAG = b"ID3\x03\0\0\0\0\0\x14" + b"\0" * 20

#: Files that name others, or make FFmpeg open something: {path}, {folder} and {url} are not to be.
LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    "hls without end": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n",
    "hls by url": "#EXTM3U\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "hls of the network": "#EXTM3U\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n",
    "hls with a key": (
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n'
    ),
    "hls with a map": '#EXTM3U\n#EXT-X-MAP:URI="{path}"\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n',
    "master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{path}\n",
    "m3u": "#EXTM3U\n{path}\n",
    "m3u without a word": "{path}\n{url}\n",
    "pls": "[playlist]\nFile1={path}\nFile2={url}\nNumberOfEntries=2\nVersion=2\n",
    "xspf": (
        '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track>'
        "<location>file://{path}</location></track></trackList></playlist>"
    ),
    "asx": '<ASX version="3.0"><Entry><Ref href="{url}"/><Ref href="{path}"/></Entry></ASX>',
    "smil": '<smil><body><audio src="{path}"/></body></smil>',
    "asf reference": "[Reference]\nRef1={url}\nRef2={path}\n",
    "real": "rtsp://127.0.0.1/{path}\n",
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
    "concat of the network": "ffconcat version 1.0\nfile '{url}'\nduration 10\n",
    "concat with options": "ffconcat version 1.0\nfile '{path}'\noption safe 0\n",
    "cue": 'FILE "{path}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "dash": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="1">'
        "<BaseURL>{path}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ),
    "dash of the network": (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"><Period><AdaptationSet '
        'mimeType="audio/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    ),
    "smooth streaming": (
        '<?xml version="1.0"?><SmoothStreamingMedia MajorVersion="2" Duration="1"><StreamIndex '
        'Type="audio" Url="{url}"><QualityLevel Bitrate="1"/></StreamIndex></SmoothStreamingMedia>'
    ),
    "hds": '<manifest xmlns="http://ns.adobe.com/f4m/1.0"><media url="{url}"/></manifest>',
    "imf": (
        '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/'
        '2016"><Id>{path}</Id></CompositionPlaylist>'
    ),
    "external entity": '<!DOCTYPE a [<!ENTITY b SYSTEM "file://{path}">]><MPD>&b;</MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "webvtt": "WEBVTT\n\n00:00.000 --> 00:10.000\n{path}\n",
    "srt": "1\n00:00:00,000 --> 00:00:10,000\n{path}\n",
    "ass": "[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: {path}\n",
    "vobsub": "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n",
    "sami": '<SAMI><BODY><SYNC Start=0><P Class="{path}">x</BODY></SAMI>',
    "lrc": "[ti:{path}]\n[00:00.00]{path}\n",
    "metadata": ";FFMETADATA1\ntitle={path}\n",
    "subfile": "subfile,,start,0,end,999999,,:{path}\n",
    "protocols": "concat:{path}|{path}\nfile:{path}\ndata:audio/wav;base64,\npipe:0\n",
    "devices": "alsa:default\npulse:default\n/dev/zero\nlavfi:sine\n",
    "filter": "amovie={path}[out0]\n",
    "svg": '<svg xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{path}"/></svg>',
    "html": '<html><audio src="{url}"></audio><meta http-equiv="refresh" content="0;{url}"></html>',
    "avisynth": 'WavSource("{path}")\n',
    "script": "#!/bin/sh\ncat {path}\n",
}


def _wrapped(text: bytes) -> dict[str, bytes]:
    """The same list in all that might hide it from whoever looks for lists."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as made:
        made.writestr("a.m3u8", text)
    return {
        "bare": text + b"\n" * (len(text) % 2),
        "tagged": TAG + text,
        "mark": b"\xef\xbb\xbf" + text,
        "space": b"\n \t\r\n" * 8 + text,
        "zeros": bytes(64) + text,
        "utf-16": text.decode().encode("utf-16"),
        "zip": archive.getvalue(),
        "gzip": gzip.compress(text),
        "riff": b"RIFF" + struct.pack("<I", len(text) + 4) + b"WAVE" + text,
        "mp3 frames": TAG + b"\xff\xfb\x90\x00" + bytes(413) + text,
    }


WRAPS = list(_wrapped(b""))


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """A recording that nobody may hear by way of another file."""
    path = tmp_path_factory.mktemp("private") / "secret.wav"
    soundfile.write(path, speech(1.0), 16000)
    with watched(path) as canary:
        yield canary


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    with serving() as shelf:
        yield shelf


def test_the_canary_sings(canary: Canary) -> None:
    """Otherwise nothing here could fail."""
    assert not canary.touched()
    load_audio(canary.path)
    assert canary.touched()
    for timeout_s in (0.2, 2, 20):  # nobody answers, and a busy machine is late to connect
        with pytest.raises(AudioError):
            load_audio(canary.url, timeout_s=timeout_s)
        if canary.touched():
            return
    pytest.fail("nobody connected")
    assert not canary.touched()


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("kind", LISTS)
def test_lists_open_nothing(
    tmp_path: Path,
    canary: Canary,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    wrap: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = LISTS[kind].format(path=canary.path, url=canary.url, folder=canary.path.parent)
    data = _wrapped(text.encode())[wrap]
    begun = time.monotonic()
    ways: list[Any] = [data, bytearray(data), memoryview(data), io.BytesIO(data)]
    for name in ("a.mp3", "a.m3u8", "a.ffconcat", "a%d.png", "a.sdp", "a.vtt", "a"):
        Path(name).write_bytes(data)
        ways.append(Path(name))
    ways += [str(Path("a.m3u8").absolute()), shelf.put("list.m3u8", data)]
    with Path("a").open("rb") as file:
        for way in [*ways, file]:
            with pytest.raises(AudioError, match="cannot be decoded"):
                load_audio(way, fs=None if wrap == "zeros" else 16000)
    assert not canary.touched()
    assert time.monotonic() - begun < 20, "a list without an end was waited for"


@pytest.mark.parametrize("kind", ["hls", "concat", "dash", "sdp", "subfile"])
def test_lists_inside_of_real_recordings(canary: Canary, kind: str) -> None:
    """As attachments, tags, later chunks: the recording is what counts."""
    text = LISTS[kind].format(path=canary.path, url=canary.url, folder="").encode()
    wave = speech(1.0)
    wav = sndfile_bytes("WAV", wave, 16000)
    chunk = b"LIST" + struct.pack("<I", len(text)) + text
    mkv = io.BytesIO()
    with av.open(mkv, "w", format="matroska") as writer:
        writer.metadata.update({"title": text.decode(), "filename": str(canary.path)})
        stream = writer.add_stream("pcm_s16le", rate=16000)
        stream.codec_context.layout = "mono"
        pcm = (wave * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = 16000
        for part in (frame, None):
            writer.mux(stream.encode(part))
    expected = load_audio(wav)
    for data in (
        wav + chunk,
        wav[:12] + chunk + wav[12:] if not len(text) % 2 else wav,
        mkv.getvalue(),
    ):
        for way in (data, io.BytesIO(data)):
            np.testing.assert_allclose(load_audio(way), expected, atol=2.0**-14)
    assert not canary.touched()


def test_films_that_keep_their_samples_elsewhere(canary: Canary) -> None:
    """A MOV may name another file by an alias or a URL, absolute or beside itself."""
    data = ffmpeg_bytes("mov", "pcm_s16le", speech(1.0), 16000)
    at = data.index(b"url \0\0\0\1") if b"url \0\0\0\1" in data else data.index(b"\x61lis") - 0
    for kind in (b"url ", b"\x61lis", b"rsrc"):
        name = bytes(canary.path)
        entry = kind + bytes(4) + b"file://" + name + b"\0"
        changed = data[:at] + entry + data[at + len(entry) :]
        with contextlib.suppress(AudioError):
            load_audio(changed)
        assert not canary.touched()


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
