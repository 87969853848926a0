"""From the contents of an audio file to samples: by libsndfile, FFmpeg, or as raw samples.

Nobody keeps a list of magic numbers here: the libraries are asked. What neither of them recognises
may be raw samples, if it was given as bytes; a text, a picture or an archive is not.
"""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError
from safeasr.inputs.ffmpeg import FfmpegError, decode_with_ffmpeg
from safeasr.inputs.kinds import LOOK_AT, seems_to_be
from safeasr.inputs.pcm import decode_pcm16, looks_like_pcm16
from safeasr.inputs.reading import Collected, Reading
from safeasr.inputs.sndfile import Decoded, SndfileError, decode_headerless, decode_with_sndfile
from safeasr.inputs.sources import Source, open_path
from safeasr.warn import warn

__all__ = ["decode", "decode_file", "decode_pcm16"]

_BLOCK_BYTES: Final = 1 << 20


def decode_file(path: str | os.PathLike[str], reading: Reading) -> NDArray[np.float32]:
    """The samples of a file, see :func:`decode`.

    Raises:
        AudioFileNotFoundError: if there is no such file.
        AudioError: if it is no regular file, or cannot be decoded.
        DeadlineExceededError: if the deadline passed.
    """
    source = open_path(path)
    with source.file:
        if not source.size:
            raise AudioError(f"audio file {source.shown} is empty")
        return decode(source, reading)


def decode(source: Source, reading: Reading) -> NDArray[np.float32]:
    """The samples of an audio file's contents.

    Raw 16-bit mono samples are what the caller says to be such (``Reading.is_pcm``); and of what
    neither library recognises and that is no text, archive or picture, bytes whose rate was given,
    contents with a name in ".pcm", and, with a warning, bytes that look like samples.

    Args:
        source: the contents.
        reading: the terms.

    Returns:
        Mono float32 at the wanted rate, shape [samples].

    Raises:
        AudioError: if they cannot be decoded; it says what they seem to be.
        DeadlineExceededError: if the deadline passed.
    """
    try:
        return _decode(source, reading)
    finally:
        # A caller's file object whose errors the decoders took for its end.
        failed = getattr(source.file, "failed", None)
        if failed is not None:
            raise AudioError(f"the file object cannot be read: {failed}") from failed


def _decode(source: Source, reading: Reading) -> NDArray[np.float32]:
    if reading.is_pcm:
        return _raw(source, reading)
    if not source.size:
        raise AudioError(f"audio {source.shown} is empty")
    decoded = _encoded(source, reading)
    if isinstance(decoded, Decoded):
        if decoded.damage is not None:
            reading.report_damage(source.shown, decoded.damage)
        return decoded.samples
    return _unrecognised(source, reading, decoded)


def _encoded(source: Source, reading: Reading) -> Decoded | AudioError:
    """The samples by a library; an error not raised yet if neither recognises the contents.

    Raises:
        AudioError: if one does, and cannot decode them.
    """
    try:
        return decode_with_sndfile(source, reading)
    except SndfileError as error:
        first = error
    try:
        # Compressed audio looks like noise to whoever takes it for samples.
        doubtful = not first.recognised and looks_like_pcm16(source.sample())
        decoded = decode_with_ffmpeg(source, reading, known=first.began, doubtful=doubtful)
    except FfmpegError as second:
        failed = AudioError(
            f"audio {source.shown} cannot be decoded; libsndfile: {first}; ffmpeg: {second}"
        )
        failed.__cause__ = second
        if first.recognised or second.recognised:
            raise failed from second
        return failed
    if first.began and decoded.damage is None and len(str(first)):
        return Decoded(decoded.samples, f"libsndfile: {first}")
    return decoded


def _unrecognised(source: Source, reading: Reading, failed: AudioError) -> NDArray[np.float32]:
    kind = seems_to_be(source.head(LOOK_AT))
    if kind is not None:
        raise AudioError(f"{failed}; it seems to be {kind}{_odd(source)}") from failed
    try:
        headerless = decode_headerless(source, reading)
    except SndfileError as error:
        raise AudioError(f"{failed}; as {source.name[-4:]}: {error}") from error
    if headerless is not None:
        return headerless.samples
    if source.has_ending(".pcm") or (source.is_bytes and reading.fs_given):
        return _raw(source, reading)
    if not looks_like_pcm16(source.sample()):
        raise AudioError(
            f'{failed}; raw 16-bit samples need data_type="pcm" or, as bytes, fs'
        ) from failed
    if not source.is_bytes or source.size % 2:
        raise AudioError(
            f'{failed}; it seems to be raw 16-bit samples: say so by data_type="pcm"{_odd(source)}'
        ) from failed
    warn(
        f"audio {source.shown} has no header and looks like raw 16-bit samples: it is read so, at "
        f'{reading.fs} Hz. Say so by fs={reading.fs} or data_type="pcm"'
    )
    return _raw(source, reading)


def _odd(source: Source) -> str:
    if not source.is_bytes or source.size % 2 == 0:
        return ""
    return f"; as 16-bit PCM, {source.size} bytes are not whole samples"


def _raw(source: Source, reading: Reading) -> NDArray[np.float32]:
    if source.size % 2:
        raise AudioError(
            f"audio {source.shown} is read as 16-bit PCM, and {source.size} bytes are not whole "
            "samples"
        )
    reading.require_length(source.size // 2, reading.fs, source.shown)
    collected = Collected(reading.fs, reading, source.shown)
    source.file.seek(0)
    while data := source.file.read(_BLOCK_BYTES):
        # A file may end elsewhere than its size said; a read may be short.
        while len(data) % 2 and (more := source.file.read(1)):
            data += more
        collected.add(decode_pcm16(data))
    return collected.samples()
