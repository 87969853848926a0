"""Audio in every container that PyAV and soundfile write."""

from __future__ import annotations

import io

import av
import numpy as np
import soundfile

from support.audio import Samples

#: FFmpeg's names of a container and a codec, and a rate that the codec has.
BY_FFMPEG = {
    "m4a": ("ipod", "aac", 16000),
    "mp4": ("mp4", "aac", 44100),
    "mov": ("mov", "pcm_s16le", 16000),
    "3gp": ("3gp", "libopencore_amrnb", 8000),
    "amr": ("amr", "libopencore_amrnb", 8000),
    "aac": ("adts", "aac", 16000),
    "latm": ("latm", "aac", 16000),
    "webm": ("webm", "libopus", 48000),
    "mka": ("matroska", "aac", 16000),
    "mkv": ("matroska", "pcm_s16le", 16000),
    "ts": ("mpegts", "aac", 16000),
    "mp2.ts": ("mpegts", "mp2", 44100),
    "mpg": ("mpeg", "mp2", 44100),
    "vob": ("vob", "ac3", 48000),
    "flv": ("flv", "aac", 16000),
    "avi": ("avi", "pcm_s16le", 16000),
    "ac3": ("ac3", "ac3", 48000),
    "eac3": ("eac3", "eac3", 48000),
    "mp2": ("mp2", "mp2", 44100),
    "opus": ("ogg", "libopus", 48000),
    "tta": ("tta", "tta", 16000),
    "wv": ("wv", "wavpack", 16000),
    "rm": ("rm", "real_144", 8000),
    "nut": ("nut", "pcm_s16le", 16000),
    "alac.caf": ("caf", "alac", 16000),
    "sox": ("sox", "pcm_s32le", 16000),
    "wtv": ("wtv", "mp2", 48000),
    "mp3.wav": ("wav", "libmp3lame", 16000),
    "ismv": ("ismv", "aac", 16000),
}
BY_SNDFILE = [
    "WAV",
    "FLAC",
    "OGG",
    "MP3",
    "AIFF",
    "CAF",
    "AU",
    "W64",
    "RF64",
    "VOC",
    "IRCAM",
    "SVX",
]


def ffmpeg_bytes(container: str, codec: str, wave: Samples, rate: int, tracks: int = 1) -> bytes:
    """Encode a wave of shape [samples], once for each track: the same, ever softer."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        streams = []
        for _ in range(tracks):
            stream = writer.add_stream(codec, rate=rate)
            stream.codec_context.layout = "mono"
            streams.append(stream)
        for number, stream in enumerate(streams):
            pcm = (wave / (number + 1) * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
            frame.sample_rate = rate
            for part in (frame, None):
                writer.mux(stream.encode(part))
    return file.getvalue()


def sndfile_bytes(name: str, wave: Samples, rate: int, subtype: str | None = None) -> bytes:
    """Encode a wave in one of libsndfile's formats."""
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=name, subtype=subtype)
    return file.getvalue()
