"""Headers that say nothing of the length, or too much: what is there counts.

A recorder that streams does not know how much will come. It writes 0, or all bits set, for the
size of the samples, and may not come back to correct it. libsndfile believes it and reads nothing.
Here such a size is replaced by that of the rest of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

__all__ = ["Patched", "mended"]

#: Chunks before that of the samples; more are no audio file.
_MOST_CHUNKS: Final = 1000
_AU_HEADER: Final = 24


@dataclass(frozen=True)
class _Layout:
    """How a format of chunks is laid out: name, size, contents, name, size, contents, ..."""

    first: int  # where the first chunk is
    head: str  # of a chunk, for struct: name and size
    align: int  # contents are padded to this
    whole: bool  # the size counts name and size too
    samples: bytes  # begin of the name of the chunk that holds them

    @property
    def size_at(self) -> int:
        return struct.calcsize(self.head) - struct.calcsize(self.head[0] + self.head[-1])


_RIFF: Final = _Layout(12, "<4sI", 2, False, b"data")
_RIFX: Final = _Layout(12, ">4sI", 2, False, b"data")
_AIFF: Final = _Layout(12, ">4sI", 2, False, b"SSND")
_CAF: Final = _Layout(8, ">4sQ", 1, False, b"data")
_W64: Final = _Layout(40, "<16sQ", 8, True, b"data")


def _layout(head: bytes) -> _Layout | None:
    if head[8:12] == b"WAVE":
        found = {b"RIFF": _RIFF, b"RF64": _RIFF, b"BW64": _RIFF, b"RIFX": _RIFX}.get(head[:4])
    elif head[8:12] in (b"AIFF", b"AIFC"):
        found = _AIFF if head[:4] == b"FORM" else None
    elif head[:4] == b"caff":
        found = _CAF
    else:
        found = _W64 if head[:4] == b"riff" and head[24:28] == b"wave" else None
    return found


def _chunks(file: BinaryIO, layout: _Layout, size: int) -> Iterator[tuple[int, bytes, int]]:
    """Place, name and stated size of the contents of each chunk."""
    at, width = layout.first, struct.calcsize(layout.head)
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(width)
        if len(head) < width:
            return
        name, stated = struct.unpack(layout.head, head)
        if layout.whole:
            stated -= width
        yield at + width, name, stated
        at += width + max(0, stated) + (-stated) % layout.align
        if at >= size:
            return


def mended(file: BinaryIO, size: int) -> dict[int, bytes] | None:
    """What to write where, so that the header says how much there is.

    Args:
        file: WAV (RIFF, RIFX, RF64, BW64), AIFF, CAF, W64 or AU; others are not looked at.
        size: of it, in bytes.

    Returns:
        Bytes by offset, none if the header says so already; None if it cannot be understood.
    """
    file.seek(0)
    head = file.read(_W64.first)
    layout = _layout(head)
    if layout is None:
        return _mended_au(head, size)
    other: dict[bytes, int] = {}
    for at, name, stated in _chunks(file, layout, size):
        there = size - at
        if not name.startswith(layout.samples):
            other[name] = at
            continue
        if name == b"SSND":
            return _mended_aiff(at, stated, there, other)
        if head[:4] in (b"RF64", b"BW64"):
            return _mended_rf64(file, at, there, other)
        if 0 < stated <= there or not there or (not stated and _only_chunks(file, layout, at)):
            return {}
        width = struct.calcsize(layout.head[0] + layout.head[-1])
        new = there + (struct.calcsize(layout.head) if layout.whole else 0)
        limit = (1 << 8 * width) - 1
        return {
            at - width: min(new, limit).to_bytes(width, "big" if ">" in layout.head else "little")
        }
    return None


def _only_chunks(file: BinaryIO, layout: _Layout, at: int) -> bool:
    """Whether what is left of a file is more chunks: then there are really no samples."""
    file.seek(0, 2)
    end = file.tell()
    after = _Layout(at, layout.head, layout.align, layout.whole, layout.samples)
    place = at
    for contents, name, stated in _chunks(file, after, end):
        if not name.isalnum() and not name.strip().isalnum():
            return False
        place = contents + stated
    return place in (end, end + 1)


def _mended_rf64(
    file: BinaryIO, at: int, there: int, other: dict[bytes, int]
) -> dict[int, bytes] | None:
    """Its sizes stand in a chunk of their own, which a streaming recorder leaves empty."""
    place = other.get(b"ds64")
    if place is None or not there:
        return None
    file.seek(place)
    sizes = file.read(24)
    if len(sizes) < 24 or 0 < struct.unpack("<Q", sizes[8:16])[0] <= there:
        return None
    return {
        0: b"RF64",
        at - 4: b"\xff\xff\xff\xff",
        place: struct.pack("<QQQ", at + there - 8, there, 0),
    }


def _mended_aiff(
    at: int, stated: int, there: int, other: dict[bytes, int]
) -> dict[int, bytes] | None:
    """Offset and block size stand before the samples; their number stands with their format."""
    place = other.get(b"COMM")
    if place is None or there <= 8 or 8 < stated <= there:
        return None
    # libsndfile goes by the bytes; FFmpeg wants a number of frames, and takes the largest as well.
    return {
        4: struct.pack(">I", min(at + there - 8, 0xFFFFFFFF)),
        at - 4: struct.pack(">I", min(there, 0xFFFFFFFF)),
        place + 2: b"\x7f\xff\xff\xff",
    }


def _mended_au(head: bytes, size: int) -> dict[int, bytes] | None:
    order = {b".snd": ">", b"dns.": "<"}.get(head[:4])
    if order is None or len(head) < _AU_HEADER:
        return None
    begin, stated = struct.unpack(order + "II", head[4:12])
    if begin < _AU_HEADER or begin >= size or 0 < stated <= size - begin:
        return None
    return {8: struct.pack(order + "I", min(size - begin, 0xFFFFFFFF))}


class Patched:
    """A file with some of its bytes replaced as it is read, perhaps none, and of few errors."""

    def __init__(self, file: BinaryIO, patches: dict[int, bytes]) -> None:
        """Lay bytes over a file.

        Args:
            file: seekable.
            patches: bytes by offset.
        """
        self._file = file
        self._patches = patches

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        at = self._file.tell()
        data = self._file.read(size)
        for place, new in self._patches.items():
            begin, end = max(place, at), min(place + len(new), at + len(data))
            if begin < end:
                piece = new[begin - place : end - place]
                data = data[: begin - at] + piece + data[end - at :]
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's; but where a damaged header leads to no place at all, nothing happens."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return self._file.tell()

    def tell(self) -> int:
        """As a file's."""
        return self._file.tell()
