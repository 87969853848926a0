"""Decoding of encoded audio: libsndfile first, FFmpeg's libraries for the rest.

Both give float32 mono. As in FunASR's ``utils/load_utils.py``, libsndfile's output is averaged
over the channels at the file's own rate, while FFmpeg mixes down, resamples and rounds to 16 bits
itself (:mod:`safeasr.inputs.ffmpeg`). Both decode in blocks, and look at the caller's deadline in
between.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.deadlines import require_time
from safeasr.errors import AudioError, AudioFileNotFoundError, DeadlineExceededError
from safeasr.inputs.ffmpeg import FfmpegError, decode_with_ffmpeg
from safeasr.printable import quoted as shorten

__all__ = ["DecodedAudio", "decode_encoded", "decode_file", "decode_pcm16", "shorten"]

#: Frames that libsndfile decodes between two looks at the deadline.
_BLOCK_FRAMES: Final = 1 << 19

#: Mono float32 samples, shape [samples], and their rate in Hz.
DecodedAudio = tuple[NDArray[np.float32], int]


def decode_pcm16(data: bytes | bytearray | memoryview) -> NDArray[np.float32]:
    """Raw little-endian signed 16-bit mono samples as float32 in [-1, 1).

    Args:
        data: the bytes.

    Raises:
        AudioError: if the number of bytes is odd.
    """
    size = memoryview(data).nbytes
    if size % 2:
        raise AudioError(
            f"bytes without a known container header are read as 16-bit PCM, "
            f"and {size} bytes are not whole samples"
        )
    samples = np.frombuffer(data, dtype="<i2").astype(np.float32)
    samples *= 2.0**-15
    return samples


def decode_file(
    path: str | os.PathLike[str], fs: int, sample_rate: int, deadline: float | None = None
) -> DecodedAudio:
    """Decodes a file.

    Args:
        path: any format that libsndfile or FFmpeg reads; ``.pcm`` is raw 16-bit mono at ``fs``.
        fs: rate of ``.pcm`` files in Hz; all other formats state theirs.
        sample_rate: rate that FFmpeg resamples to, in Hz.
        deadline: time of the monotonic clock by which it must be done; None: no limit.

    Returns:
        Samples and their rate, which is ``sample_rate`` only if the file's is.

    Raises:
        AudioFileNotFoundError: if there is no such file.
        AudioError: if it is a directory or cannot be decoded.
        DeadlineExceededError: if the deadline passed.
    """
    name = os.fsdecode(path)
    shown = shorten(name)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if isinstance(error, PermissionError):
            raise AudioError(f"audio file {shown} cannot be opened: {error.strerror}") from error
        raise AudioFileNotFoundError(
            f"expected audio, got a str that names no file: {shown}. Audio is a file path, a URL, "
            f"an array or tensor of samples, bytes, or a binary file object"
        ) from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"expected an audio file, got a directory: {shown}")
    if not stat.S_ISREG(mode):
        raise AudioError(f"expected a regular audio file, got a device or pipe: {shown}")
    try:
        if name.lower().endswith(".pcm"):
            return decode_pcm16(Path(name).read_bytes()), fs
        with open(name, "rb") as file:
            if not file.read(1):
                raise AudioError(f"audio file {shown} is empty")
    except OSError as error:
        raise AudioError(f"audio file {shown} cannot be read: {error.strerror}") from error
    return _decode(name, shown, sample_rate, deadline)


def decode_encoded(
    data: bytes | bytearray | memoryview,
    fs: int,
    sample_rate: int,
    name: str = "",
    deadline: float | None = None,
) -> DecodedAudio:
    """Decodes the contents of an audio file.

    Args:
        data: the contents.
        fs: rate in Hz that is used if ``name`` ends in ``.pcm``.
        sample_rate: rate that FFmpeg resamples to, in Hz.
        name: where the contents come from, for messages and its ending.
        deadline: time of the monotonic clock by which it must be done; None: no limit.

    Returns:
        Samples and their rate.

    Raises:
        AudioError: if the contents cannot be decoded.
        DeadlineExceededError: if the deadline passed.
    """
    if name.lower().endswith(".pcm"):
        return decode_pcm16(data), fs
    shown = f"from {shorten(name)}" if name else f"of {memoryview(data).nbytes} bytes"
    if not memoryview(data).nbytes:
        raise AudioError(f"audio {shown} is empty")
    return _decode(bytes(data), shown, sample_rate, deadline)


def _decode(
    source: str | bytes, shown: str, sample_rate: int, deadline: float | None
) -> DecodedAudio:
    try:
        return _decode_with_soundfile(source, deadline)
    except (AudioError, DeadlineExceededError):
        raise
    # soundfile raises errors of its own and TypeError for names that end in ".raw".
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        reason = str(error)
    try:
        # Never by its name: FFmpeg gets the bytes and nothing that it could open itself.
        with open(source, "rb") if isinstance(source, str) else io.BytesIO(source) as file:
            return decode_with_ffmpeg(file, sample_rate, deadline), sample_rate
    except FfmpegError as error:
        raise AudioError(
            f"audio {shown} cannot be decoded; libsndfile: {reason}; ffmpeg: {error}"
        ) from error


def _decode_with_soundfile(source: str | bytes, deadline: float | None) -> DecodedAudio:
    import soundfile  # takes about 100 ms, so only when a file is decoded

    blocks: list[NDArray[np.float32]] = []
    with soundfile.SoundFile(source if isinstance(source, str) else io.BytesIO(source)) as file:
        rate = int(file.samplerate)
        # To its beginning once, as soundfile.read does: libsndfile decodes MP3 by a bit another way
        # after that. Then never again: soundfile seeks after each read, which loses what the next
        # frame of an MP3 needs of those before.
        file.seek(0)
        file.seekable = lambda: False
        # A header may claim any length: memory is taken for what is there.
        while True:
            require_time(deadline)
            block: NDArray[Any] = file.read(_BLOCK_FRAMES, dtype="float32")
            if block.ndim == 2:
                block = block.mean(axis=1, dtype=np.float32)
            blocks.append(block)
            if len(block) < _BLOCK_FRAMES:
                break
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks), rate
