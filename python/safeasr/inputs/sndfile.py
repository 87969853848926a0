"""Decoding by libsndfile: first choice, because its samples are exactly FunASR's.

As in FunASR's ``utils/load_utils.py`` the channels are averaged at the file's own rate. It is given
contents and never a name: from a name it concludes on a format (any ".vox" is sound to it) and on
files beside it.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import SafeASRError
from safeasr.inputs.arrays import checked_rate
from safeasr.inputs.headers import Patched, mended
from safeasr.inputs.mpeg import LOOK_AT, is_mpeg_stream
from safeasr.inputs.pcm import looks_like_pcm16
from safeasr.inputs.reading import AtRate, Parts, Reading
from safeasr.inputs.sources import Source

__all__ = ["SndfileError", "headerless_parts", "sndfile_parts"]

#: Samples that are decoded between two looks at the deadline, of all channels together.
_BLOCK_SAMPLES: Final = 1 << 19
#: libsndfile's number for bytes that are of no format it knows.
_UNRECOGNISED: Final = 1
#: libsndfile claims more than this where a header says nothing.
_UNKNOWN_LENGTH: Final = 1 << 62
#: Formats without a header, known by the name of a file alone, as libsndfile has it.
_HEADERLESS: Final = {
    ".gsm": "GSM610",
    ".vox": "VOX_ADPCM",
    ".au": "ULAW",
    ".snd": "ULAW",
}


class SndfileError(Exception):
    """libsndfile cannot read it.

    Attributes:
        recognised: whether it is of a format that libsndfile knows.
        began: whether it could be opened, and failed later.
    """

    def __init__(self, reason: str, *, recognised: bool, began: bool = False) -> None:
        """Say why."""
        super().__init__(reason)
        self.recognised = recognised
        self.began = began


def sndfile_parts(source: Source, reading: Reading) -> Parts:
    """The samples of a file.

    Raises:
        SndfileError: if libsndfile does not read it, or finds no samples in it.
        AudioError: if it is too long, or of an impossible rate.
        DeadlineExceededError: if the deadline passed.
    """
    _require_real(source)
    damage, count = None, None
    try:
        damage, count = yield from _decode(_handle(source), source, reading)
        if count:
            return damage
        failed = SndfileError("found no samples in it", recognised=True)
    except SndfileError as error:
        failed = error
    patches = mended(source.file, source.size)
    source.file.seek(0)
    if patches == {} and count == 0:
        return damage  # there are really none
    if not patches:
        raise failed
    yield None
    damage, _ = yield from _decode(Patched(source.file, patches), source, reading)
    return damage


def headerless_parts(source: Source, reading: Reading) -> Parts | None:
    """A file of a format without header, if its name says so; None if it says nothing.

    Raises:
        SndfileError: if libsndfile does not read it.
        AudioError: if it is too long.
        DeadlineExceededError: if the deadline passed.
    """
    for ending, subtype in _HEADERLESS.items():
        if source.has_ending(ending):
            return _raw_parts(source, reading, subtype)
    return None


def _raw_parts(source: Source, reading: Reading, subtype: str) -> Parts:
    source.file.seek(0)
    raw = {"format": "RAW", "subtype": subtype, "samplerate": 8000, "channels": 1}
    damage, _ = yield from _decode(_handle(source), source, reading, **raw)
    return damage


def _require_real(source: Source) -> None:
    """Leave to FFmpeg what libsndfile takes for one of its formats too easily."""
    head = source.head(LOOK_AT)
    if len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # Quiet noise is full of what MP3 of an unstated bit rate begins with.
        real = is_mpeg_stream(head) and not looks_like_pcm16(source.sample())
    elif head[:2] == b"\x01\x04":  # Akai's MPC 2000; the sample's name follows
        real = head[2:18].isascii() and head[2:18].decode("ascii").isprintable()
    else:
        real = True
    if not real:
        raise SndfileError("Format not recognised.", recognised=False)


def _handle(source: Source) -> Any:
    """What libsndfile reads itself where it can: a descriptor; elsewhere Python's file."""
    if os.name == "posix" and not source.is_bytes and hasattr(source.file, "fileno"):
        try:
            descriptor = source.file.fileno()
            os.lseek(descriptor, 0, os.SEEK_SET)
            return descriptor
        except OSError:  # a BytesIO
            pass
    # libsndfile's callbacks print what a file raises.
    return Patched(source.file, {})


def _decode(
    handle: Any, source: Source, reading: Reading, **raw: Any
) -> Generator[NDArray[np.float32], None, tuple[str | None, int]]:
    """The samples; returns the damage, and how many there were in the file."""
    import soundfile  # takes about 100 ms, so only when a file is decoded

    began = False
    try:
        if not isinstance(handle, int):
            handle.seek(0)
        with soundfile.SoundFile(handle, closefd=False, **raw) as file:
            began = True
            return (yield from _read(file, source, reading))
    except SafeASRError:
        raise
    except soundfile.LibsndfileError as error:
        # Its own words, without the file's.
        raise SndfileError(
            error.error_string, recognised=began or error.code != _UNRECOGNISED, began=began
        ) from error
    except Exception as error:
        raise SndfileError(f"{error}", recognised=began, began=began) from error


def _read(
    file: Any, source: Source, reading: Reading
) -> Generator[NDArray[np.float32], None, tuple[str | None, int]]:
    rate = checked_rate(int(file.samplerate), "the file's sample rate")
    claimed = int(file.frames)
    reading.check_claim(claimed, rate, source.size, source.shown)
    # To its beginning once, as soundfile.read does: libsndfile decodes MP3 by a bit another way
    # after that. Then never again: soundfile seeks after each read, which loses what the next
    # frame of an MP3 needs of those before.
    if file.seekable():
        file.seek(0)
    file.seekable = lambda: False
    at_rate = AtRate(rate, reading, source.shown)
    # A header may claim any length and 1,024 channels: memory is taken for what is there.
    size = max(1024, _BLOCK_SAMPLES // int(file.channels))
    while True:
        reading.require_time()
        block: NDArray[Any] = file.read(size, dtype="float32")
        if block.ndim == 2:
            block = block.mean(axis=1, dtype=np.float32)
        yield at_rate.next(block)
        if len(block) < size:
            break
    damage = None
    # Other formats estimate their length, or take that of the file.
    if file.format in ("FLAC", "OGG") and at_rate.count < claimed < _UNKNOWN_LENGTH:
        damage = f"it ends after {at_rate.count} of {claimed} samples"
    yield at_rate.last()
    return damage, at_rate.count
