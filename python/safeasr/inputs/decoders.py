"""From the contents of an audio file to samples: by libsndfile, FFmpeg, or as raw samples.

Nobody keeps a list of magic numbers here: the libraries are asked. What neither of them recognises
may be raw samples, if it was given as bytes; a text, a picture or an archive is not.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError
from safeasr.inputs.ffmpeg import FfmpegError, ffmpeg_parts
from safeasr.inputs.kinds import LOOK_AT, seems_to_be
from safeasr.inputs.pcm import decode_pcm16, looks_like_pcm16
from safeasr.inputs.reading import AtRate, Parts, Reading
from safeasr.inputs.sndfile import SndfileError, headerless_parts, sndfile_parts
from safeasr.inputs.sources import Source, open_path
from safeasr.warn import warn

__all__ = ["decode", "decode_pcm16", "joined", "parts_of", "parts_of_file"]

_BLOCK_BYTES: Final = 1 << 20


def decode(source: Source, reading: Reading) -> NDArray[np.float32]:
    """The samples of an audio file's contents, with the errors of :func:`parts_of`.

    Returns:
        Mono float32 at the wanted rate, shape [samples].
    """
    return joined(parts_of(source, reading))


def joined(parts: Parts) -> NDArray[np.float32]:
    """All that a decoder gives, shape [samples]."""
    kept: list[NDArray[np.float32]] = []
    for part in parts:
        if part is None:
            kept.clear()
        elif len(part):
            kept.append(part)
    if len(kept) == 1:
        return kept[0]
    return np.concatenate(kept) if kept else np.zeros(0, np.float32)


def parts_of_file(path: str | os.PathLike[str], reading: Reading) -> Parts:
    """The samples of a file bit by bit, see :func:`parts_of`. It is open until the end.

    Raises:
        AudioFileNotFoundError: if there is no such file.
        AudioError: if it is no regular file, or cannot be decoded.
        DeadlineExceededError: if the deadline passed.
    """
    source = open_path(path)
    with source.file:
        if not source.size:
            raise AudioError(f"audio file {source.shown} is empty")
        return (yield from parts_of(source, reading))


def parts_of(source: Source, reading: Reading) -> Parts:
    """The samples of an audio file's contents, bit by bit.

    Raw 16-bit mono samples are what the caller says to be such (``Reading.is_pcm``); and of what
    neither library recognises and that is no text, archive or picture, bytes whose rate was given,
    contents with a name in ".pcm", and, with a warning, bytes that look like samples.

    Args:
        source: the contents.
        reading: the terms.

    Raises:
        AudioError: if they cannot be decoded; it says what they seem to be.
        DeadlineExceededError: if the deadline passed.
    """
    try:
        damage = yield from _parts(source, reading)
    finally:
        # A caller's file object whose errors the decoders took for its end.
        failed = getattr(source.file, "failed", None)
        if failed is not None:
            raise AudioError(f"the file object cannot be read: {failed}") from failed
    if damage is not None:
        reading.report_damage(source.shown, damage)
    return damage


def _parts(source: Source, reading: Reading) -> Parts:
    if reading.is_pcm:
        return (yield from _raw(source, reading))
    if not source.size:
        raise AudioError(f"audio {source.shown} is empty")
    found = yield from _encoded(source, reading)
    if not isinstance(found, AudioError):
        return found
    yield None
    return (yield from _unrecognised(source, reading, found))


def _encoded(
    source: Source, reading: Reading
) -> Generator[NDArray[np.float32] | None, None, str | AudioError | None]:
    """The samples by a library; returns an error if neither recognises the contents.

    Raises:
        AudioError: if one does, and cannot decode them.
    """
    try:
        return (yield from sndfile_parts(source, reading))
    except SndfileError as error:
        first = error
    yield None
    try:
        # Compressed audio looks like noise to whoever takes it for samples.
        doubtful = not first.recognised and looks_like_pcm16(source.sample())
        damage = yield from ffmpeg_parts(source, reading, known=first.began, doubtful=doubtful)
    except FfmpegError as second:
        failed = AudioError(
            f"audio {source.shown} cannot be decoded; libsndfile: {first}; ffmpeg: {second}"
        )
        failed.__cause__ = second
        if first.recognised or second.recognised:
            raise failed from second
        return failed
    if first.began and damage is None and len(str(first)):
        return f"libsndfile: {first}"
    return damage


def _unrecognised(source: Source, reading: Reading, failed: AudioError) -> Parts:
    kind = seems_to_be(source.head(LOOK_AT))
    if kind is not None:
        raise AudioError(f"{failed}; it seems to be {kind}{_odd(source)}") from failed
    headerless = headerless_parts(source, reading)
    if headerless is not None:
        try:
            return (yield from headerless)
        except SndfileError as error:
            raise AudioError(f"{failed}; as {source.name[-4:]}: {error}") from error
    if source.has_ending(".pcm") or (source.is_bytes and reading.fs_given):
        return (yield from _raw(source, reading))
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
    return (yield from _raw(source, reading))


def _odd(source: Source) -> str:
    if not source.is_bytes or source.size % 2 == 0:
        return ""
    return f"; as 16-bit PCM, {source.size} bytes are not whole samples"


def _raw(source: Source, reading: Reading) -> Parts:
    if source.size % 2:
        raise AudioError(
            f"audio {source.shown} is read as 16-bit PCM, and {source.size} bytes are not whole "
            "samples"
        )
    reading.require_length(source.size // 2, reading.fs, source.shown)
    at_rate = AtRate(reading.fs, reading, source.shown)
    source.file.seek(0)
    while data := source.file.read(_BLOCK_BYTES):
        # A file may end elsewhere than its size said; a read may be short.
        while len(data) % 2 and (more := source.file.read(1)):
            data += more
        yield at_rate.next(decode_pcm16(data))
    yield at_rate.last()
    return None
