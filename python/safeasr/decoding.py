"""Decoding of encoded audio: libsndfile first, the ffmpeg program for the rest.

Both give float32 mono. As in FunASR's ``utils/load_utils.py``, libsndfile's output is averaged
over the channels at the file's own rate, while ffmpeg mixes down, resamples and rounds to 16 bits
itself.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError, AudioFileNotFoundError

__all__ = ["DecodedAudio", "decode_encoded", "decode_file", "decode_pcm16"]

#: The longest that one run of ffmpeg may take, in seconds.
FFMPEG_TIMEOUT_S: Final = 600.0
_SHOWN_PATH = 200

#: Mono float32 samples, shape [samples], and their rate in Hz.
DecodedAudio = tuple[NDArray[np.float32], int]


def shorten(text: str, limit: int = _SHOWN_PATH) -> str:
    """The text in quotes, its end cut off if it is long: what error messages show."""
    return repr(text if len(text) <= limit else text[:limit] + "...")


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


def decode_file(path: str | os.PathLike[str], fs: int, sample_rate: int) -> DecodedAudio:
    """Decodes a file.

    Args:
        path: any format that libsndfile or ffmpeg reads; ``.pcm`` is raw 16-bit mono at ``fs``.
        fs: rate of ``.pcm`` files in Hz; all other formats state theirs.
        sample_rate: rate that ffmpeg resamples to, in Hz.

    Returns:
        Samples and their rate, which is ``sample_rate`` only if the file's is.

    Raises:
        AudioFileNotFoundError: if there is no such file.
        AudioError: if it is a directory or cannot be decoded.
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
    return _decode(name, shown, sample_rate)


def decode_encoded(
    data: bytes | bytearray | memoryview, fs: int, sample_rate: int, name: str = ""
) -> DecodedAudio:
    """Decodes the contents of an audio file.

    Args:
        data: the contents.
        fs: rate in Hz that is used if ``name`` ends in ``.pcm``.
        sample_rate: rate that ffmpeg resamples to, in Hz.
        name: where the contents come from, for messages and its ending.

    Returns:
        Samples and their rate.

    Raises:
        AudioError: if the contents cannot be decoded.
    """
    if name.lower().endswith(".pcm"):
        return decode_pcm16(data), fs
    shown = f"from {shorten(name)}" if name else f"of {memoryview(data).nbytes} bytes"
    if not memoryview(data).nbytes:
        raise AudioError(f"audio {shown} is empty")
    return _decode(bytes(data), shown, sample_rate)


def _decode(source: str | bytes, shown: str, sample_rate: int) -> DecodedAudio:
    try:
        return _decode_with_soundfile(source)
    except AudioError:
        raise
    # soundfile raises errors of its own and TypeError for names that end in ".raw".
    except (RuntimeError, TypeError, ValueError, OSError) as error:
        reason = str(error)
    try:
        if isinstance(source, str):
            return _decode_with_ffmpeg(source, sample_rate), sample_rate
        # A real file, not a pipe: MP4 files often have their index at the end.
        with tempfile.TemporaryDirectory(prefix="safeasr-") as folder:
            path = os.path.join(folder, "audio")
            Path(path).write_bytes(source)
            return _decode_with_ffmpeg(path, sample_rate), sample_rate
    except _FfmpegError as error:
        raise AudioError(
            f"audio {shown} cannot be decoded; libsndfile: {reason}; ffmpeg: {error}"
        ) from error


def _decode_with_soundfile(source: str | bytes) -> DecodedAudio:
    import soundfile  # takes about 100 ms, so only when a file is decoded

    samples: NDArray[Any]
    samples, rate = soundfile.read(
        source if isinstance(source, str) else io.BytesIO(source), dtype="float32"
    )
    if samples.ndim == 2:
        samples = samples.mean(axis=1, dtype=np.float32)
    return samples, int(rate)


class _FfmpegError(Exception):
    """ffmpeg is missing or failed; the message is fit for the user."""


def _decode_with_ffmpeg(path: str, sample_rate: int) -> NDArray[np.float32]:
    program = shutil.which("ffmpeg")
    if program is None:
        raise _FfmpegError("the program is not installed")
    command = [
        program,
        *("-nostdin", "-v", "error", "-threads", "1"),
        # "file:" and the white list: a name or a playlist must not make ffmpeg open the network.
        *("-protocol_whitelist", "file", "-i", f"file:{path}"),
        *("-vn", "-f", "s16le", "-acodec", "pcm_s16le", "-ac", "1", "-ar", str(sample_rate), "-"),
    ]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=FFMPEG_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise _FfmpegError(f"gave up after {FFMPEG_TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise _FfmpegError(f"cannot be started: {error}") from error
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _FfmpegError(lines[-1] if lines else f"exit status {done.returncode}")
    if not done.stdout:
        raise _FfmpegError("found no sound in it")
    return decode_pcm16(done.stdout)
