"""Decoding by FFmpeg's libraries, of formats that libsndfile does not read.

What comes here may be anybody's upload, and FFmpeg knows formats that name other files and
addresses: playlists, concat lists, image sequences, subtitles, devices. So it may open none but the
formats listed here, gets bytes rather than a name, and no protocol with which it could open more.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.deadlines import require_time

__all__ = ["FfmpegError", "decode_with_ffmpeg"]

#: FFmpeg's names of the containers and streams that hold all their data themselves.
FORMATS: Final = (
    "aac ac3 aiff amr amrnb amrwb ape asf au avi avr caf dsf dss dts dtshd eac3 flac flv iff ircam "
    "kux live_flv loas matroska mov mp3 mpc mpc8 mpeg mpegts mxf nistsphere nut ogg oma pvf qcp rm "
    "shn sox tak tta voc w64 wav webm wtv wv xwma"
).split()

_OPTIONS: Final = {
    "format_whitelist": ",".join(FORMATS),
    "protocol_whitelist": "none",
    # MOV files may name others to read samples from.
    "enable_drefs": "0",
    "use_absolute_path": "0",
}


class FfmpegError(Exception):
    """FFmpeg cannot read it; the message is fit for the user."""


class _TimedFile:
    """A file that raises when the deadline passes, so that no read of it can go on for ever."""

    def __init__(self, file: BinaryIO, deadline: float | None) -> None:
        self._file = file
        self._deadline = deadline

    def read(self, size: int) -> bytes:
        require_time(self._deadline)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def decode_with_ffmpeg(
    file: BinaryIO, sample_rate: int, deadline: float | None = None
) -> NDArray[np.float32]:
    """The sound in a file, mixed down, resampled and rounded to 16 bits.

    Args:
        file: seekable.
        sample_rate: the wanted rate in Hz.
        deadline: time of the monotonic clock by which it must be done; None: no limit.

    Returns:
        Shape [samples], float32 in [-1, 1).

    Raises:
        FfmpegError: if it is of none of :data:`FORMATS`, damaged, or holds no sound.
        DeadlineExceededError: if the deadline passed.
    """
    import av  # takes about 100 ms, so only when it is needed

    try:
        with av.open(_TimedFile(file, deadline), options=_OPTIONS) as container:
            stream = container.streams.best("audio")
            if stream is None:
                raise FfmpegError("found no sound in it")
            stream.codec_context.thread_count = 1
            decoded = list(_blocks(av, container, stream, sample_rate, deadline))
    except (av.FFmpegError, ValueError) as error:
        raise FfmpegError(getattr(error, "strerror", None) or str(error)) from error
    if not decoded:
        raise FfmpegError("found no sound in it")
    samples: NDArray[np.float32] = np.concatenate(decoded).astype(np.float32)
    samples *= 2.0**-15
    return samples


def _blocks(av: Any, container: Any, stream: Any, sample_rate: int, deadline: float | None) -> Any:
    """The samples of a stream, int16, in blocks."""
    resampler: Any = None
    of_kind = None
    for packet in container.demux(stream):
        require_time(deadline)
        try:
            frames = packet.decode()
        except av.FFmpegError:  # like the ffmpeg program: what is damaged is left out
            continue
        for frame in frames:
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != of_kind:
                if resampler is not None:
                    yield from _samples(resampler.resample(None))
                resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate)
                of_kind = kind
            yield from _samples(resampler.resample(frame))
    if resampler is not None:
        yield from _samples(resampler.resample(None))


def _samples(frames: Any) -> Any:
    return (frame.to_ndarray().reshape(-1) for frame in frames)
