"""Decoding by FFmpeg's libraries, of formats that libsndfile does not read.

What comes here may be anybody's upload, and FFmpeg knows formats that name other files and
addresses: playlists, concat lists, image sequences, subtitles, devices. So it may open none but the
formats listed here, gets bytes rather than a name, and no protocol with which it could open more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import SafeASRError
from safeasr.inputs.arrays import checked_rate
from safeasr.inputs.reading import AtRate, Parts, Reading
from safeasr.inputs.sources import Source

__all__ = ["FfmpegError", "ffmpeg_parts"]

#: FFmpeg's names of the containers and streams that hold all their data themselves.
FORMATS: Final = (
    "aac ac3 aiff amr amrnb amrwb ape asf au avi avr caf dsf dss dts dtshd eac3 flac flv iff ircam "
    "kux live_flv loas matroska mov mp3 mpc mpc8 mpeg mpegts mxf nistsphere nut ogg oma pvf qcp rm "
    "shn sox tak tta voc w64 wav webm wtv wv xwma"
).split()

#: Of those, the ones that begin with no signature but with frames, of which FFmpeg finds some in
#: random bytes.
_FRAMES_ONLY: Final = frozenset(
    "aac ac3 amrnb amrwb dts eac3 flac loas mp3 mpeg mpegts shn tak".split()
)
#: Packets from the beginning by which such a file is judged: this part of them must be in order.
_JUDGED_PACKETS: Final = 50
_IN_ORDER: Final = 0.75
#: And so many packets at least.
_LEAST_IN_ORDER: Final = 3

_OPTIONS: Final = {
    "format_whitelist": ",".join(FORMATS),
    "protocol_whitelist": "none",
    # MOV files may name others to read samples from.
    "enable_drefs": "0",
    "use_absolute_path": "0",
}
#: Bytes by which FFmpeg is to know what looks like raw samples; by default it tries a megabyte, at
#: ten times the cost.
_BRIEFLY: Final = str(1 << 14)


class FfmpegError(Exception):
    """FFmpeg cannot read it; the message is fit for the user.

    Attributes:
        recognised: whether it is of a format that FFmpeg knows.
    """

    def __init__(self, reason: str, *, recognised: bool = False) -> None:
        """Say why."""
        super().__init__(reason)
        self.recognised = recognised


class _TimedFile:
    """A file that raises when the deadline passes, so that no read of it can go on for ever."""

    def __init__(self, file: BinaryIO, reading: Reading) -> None:
        self._file = file
        self._reading = reading

    def read(self, size: int) -> bytes:
        self._reading.require_time()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def ffmpeg_parts(
    source: Source, reading: Reading, *, known: bool = False, doubtful: bool = False
) -> Parts:
    """The sound in a file, mixed down, resampled and rounded to 16 bits.

    Of several tracks that one is taken which the program ffmpeg takes: what is marked as default
    before others, then that with most channels, then the first.

    Args:
        source: the file.
        reading: the terms.
        known: it is certain already that it is audio, so that damage is all that can be wrong.
        doubtful: these look like raw samples: a format without a signature must be in order
            throughout.

    Raises:
        FfmpegError: if it is of none of :data:`FORMATS`, damaged throughout, or holds no sound.
        AudioTooLongError: if it is too long.
        DeadlineExceededError: if the deadline passed.
    """
    import av  # takes about 100 ms, so only when it is needed

    opened = False
    try:
        source.file.seek(0)
        file = _TimedFile(source.file, reading)
        options = {**_OPTIONS, "formatprobesize": _BRIEFLY} if doubtful else _OPTIONS
        with av.open(file, options=options, metadata_errors="replace") as container:
            weak = not known and container.format.name in _FRAMES_ONLY
            opened = not weak
            stream = _best(container, av.stream.Disposition.default)
            if stream is None:
                film = any(one.type == "video" for one in container.streams)
                raise FfmpegError("found no sound in it", recognised=opened or film)
            _check_claim(container, stream, source, reading)
            in_order = (1.0 if doubtful else _IN_ORDER) if weak else None
            decoder = _Decoder(av, container, stream, source, reading, in_order)
            return (yield from decoder.parts())
    except (SafeASRError, FfmpegError):
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise FfmpegError(reason, recognised=opened) from error


def _best(container: Any, default: Any) -> Any:
    """The track that the program ffmpeg takes when it is not told which."""
    best, best_score = None, -1
    for stream in container.streams.audio:
        if stream.codec_context is None:  # FFmpeg has no decoder
            continue
        channels = int(stream.codec_context.channels or 0)
        score = channels + (1 << 20) * (default in stream.disposition)
        if score > best_score:
            best, best_score = stream, score
    return best


def _check_claim(container: Any, stream: Any, source: Source, reading: Reading) -> None:
    rate = int(stream.codec_context.sample_rate or 0)
    seconds = 0.0
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / 1e6
    if rate > 0 and seconds > 0:
        reading.check_claim(int(seconds * rate), rate, source.size, source.shown)


class _Decoder:
    """Decodes one track."""

    def __init__(
        self,
        av: Any,
        container: Any,
        stream: Any,
        source: Source,
        reading: Reading,
        in_order: float | None,
    ) -> None:
        stream.codec_context.thread_count = 1
        self._av = av
        self._packets = container.demux(stream)
        self._reading = reading
        self._in_order = in_order
        self._at_rate = AtRate(reading.sample_rate, reading, source.shown)
        self._good = self._bad = 0

    def parts(self) -> Parts:
        for block in self._blocks():
            yield self._at_rate.next(block.astype(np.float32) * np.float32(2.0**-15))
        self._judge()
        if not self._at_rate.count:
            raise FfmpegError("found no sound in it", recognised=self._in_order is None)
        bad, all_ = self._bad, self._good + self._bad
        return f"{bad} of {all_} packets could not be decoded" if bad else None

    def _judge(self) -> None:
        """Random bytes hold frames too, but most of what follows one is none."""
        if self._in_order is None:
            return
        needed = max(_LEAST_IN_ORDER, self._in_order * (self._good + self._bad))
        if self._good < needed:
            raise FfmpegError("Invalid data found when processing input")

    def _blocks(self) -> Iterator[NDArray[np.int16]]:
        """The samples, int16 at the wanted rate, in blocks."""
        resampler: Any = None
        of_kind = None
        for frame in self._frames():
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != of_kind:
                if resampler is not None:
                    yield from _arrays(resampler.resample(None))
                # One packet of a rate of 1 Hz would be resampled to gigabytes.
                checked_rate(frame.sample_rate, "the file's sample rate")
                resampler = self._av.AudioResampler(
                    format="s16", layout="mono", rate=self._reading.sample_rate
                )
                of_kind = kind
            yield from _arrays(resampler.resample(frame))
        if resampler is not None:
            yield from _arrays(resampler.resample(None))

    def _frames(self) -> Iterator[Any]:
        packets = iter(self._packets)
        while True:
            self._reading.require_time()
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self._av.FFmpegError:
                # Like the ffmpeg program: what came before counts.
                if not self._good:
                    raise
                self._bad += 1
                return
            try:
                frames = packet.decode()
            except self._av.FFmpegError:  # like the ffmpeg program: what is damaged is left out
                self._bad += 1
                frames = []
            else:
                self._good += bool(packet.size)
            if self._good + self._bad == _JUDGED_PACKETS:
                self._judge()
            yield from frames


def _arrays(frames: Any) -> Iterator[NDArray[np.int16]]:
    return (frame.to_ndarray().reshape(-1) for frame in frames)
