"""Where the contents of an audio file come from: as a file that decoders may read and seek in."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from safeasr.errors import AudioError, AudioFileNotFoundError
from safeasr.printable import quoted

__all__ = ["Source", "open_path", "source_of_bytes", "source_of_file"]

_READ_AT_ONCE: Final = 1 << 20
#: How much of a large file is looked at, to tell what it is.
_PIECES: Final = 64
_PIECE_BYTES: Final = 4096


@dataclass(frozen=True)
class Source:
    """The contents of an audio file.

    Attributes:
        file: seekable; nobody else reads it.
        size: in bytes.
        shown: what messages call it.
        name: a name whose ending says something, or "".
        is_bytes: given as bytes, which may be raw samples.
    """

    file: BinaryIO
    size: int
    shown: str
    name: str = ""
    is_bytes: bool = False

    def head(self, size: int) -> bytes:
        """The first bytes; the file is at its beginning then."""
        self.file.seek(0)
        head = self.file.read(size)
        self.file.seek(0)
        return head

    def sample(self) -> bytes:
        """All of it, or if that is much, pieces from everywhere in it; of whole 16-bit numbers."""
        if self.size <= _PIECES * _PIECE_BYTES:
            return self.head(self.size // 2 * 2)
        pieces = []
        for number in range(_PIECES):
            at = (self.size - _PIECE_BYTES) * number // (_PIECES - 1)
            self.file.seek(at // 2 * 2)
            pieces.append(self.file.read(_PIECE_BYTES))
        self.file.seek(0)
        return b"".join(pieces)

    def has_ending(self, *endings: str) -> bool:
        """Whether the name ends in one of these, in capitals or not."""
        return self.name.lower().endswith(endings)


def open_path(path: str | os.PathLike[str]) -> Source:
    """Opens a file.

    Raises:
        AudioFileNotFoundError: if there is no such file.
        AudioError: if it is no regular file, or cannot be opened.
    """
    try:
        name = os.fsdecode(path)
    except Exception as error:  # somebody's __fspath__
        raise AudioError(
            f"expected a path, got a {type(path).__name__} that gives none: {error}"
        ) from error
    shown = quoted(name)
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise AudioError(f"expected an audio file, got a directory: {shown}")
        if not stat.S_ISREG(mode):
            raise AudioError(f"expected a regular audio file, got a device or pipe: {shown}")
        # Unbuffered: libsndfile reads the descriptor itself.
        file = open(name, "rb", buffering=0)  # noqa: SIM115
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if isinstance(error, AudioError):
            raise
        if isinstance(error, OSError) and not _says_missing(error):
            raise AudioError(f"audio file {shown} cannot be opened: {error.strerror}") from error
        raise AudioFileNotFoundError(
            f"expected audio, got a str that names no file: {shown}. Audio is a file path, a URL, "
            f"an array or tensor of samples, bytes, or a binary file object"
        ) from error
    return Source(file, os.fstat(file.fileno()).st_size, shown, name)


def _says_missing(error: OSError) -> bool:
    import errno

    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL)


def source_of_bytes(
    data: bytes | bytearray | memoryview, name: str = "", *, is_bytes: bool = False
) -> Source:
    """The contents as bytes.

    Args:
        data: contiguous.
        name: where they come from, for messages and its ending.
        is_bytes: the caller gave them so.
    """
    size = memoryview(data).nbytes
    shown = f"from {quoted(name)}" if name else f"of {size} bytes"
    return Source(io.BytesIO(data), size, shown, name, is_bytes)


def source_of_file(file: Any, max_bytes: int) -> Source:
    """A file object, from its start.

    Up to ``max_bytes`` are read at once, so that threads may share an object; more than that is
    read while it is decoded, if the object can seek.

    Args:
        file: opened in binary mode.
        max_bytes: the largest contents that are kept in memory.

    Raises:
        AudioError: if it cannot be read, or is too large and cannot seek.
    """
    try:
        # FunASR rewinds too, so that one object can be given twice.
        seekable = bool(getattr(file, "seekable", lambda: hasattr(file, "seek"))())
        if seekable:
            file.seek(0, os.SEEK_END)
            size = int(file.tell())
            file.seek(0)
            if size > max_bytes:
                return Source(_Lent(file), size, f"of {size} bytes")  # type: ignore[arg-type]
        data = _read_all(file, max_bytes)
    except AudioError:
        raise
    except Exception as error:  # whatever somebody's object raises
        raise AudioError(f"the file object cannot be read: {error}") from error
    return source_of_bytes(data)


def _read_all(file: Any, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            piece = file.read(_READ_AT_ONCE)
        except TypeError:  # an object whose read takes no size
            if pieces:
                raise
            piece, file = file.read(), io.BytesIO()
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise AudioError(
                f"expected a file object opened in binary mode, got {type(piece).__name__}"
            )
        if not len(piece):
            return b"".join(pieces)
        pieces.append(bytes(piece))
        size += len(piece)
        if size > max_bytes:
            raise AudioError(
                f"the file object holds more than {max_bytes} bytes and cannot seek: give a path"
            )


class _Lent:
    """A caller's file object, whose errors libsndfile's callbacks must not see.

    They would print them, and take the file for ended.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.failed: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
            return bytes(data)
        except Exception as error:
            self.failed = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            self._file.seek(offset, whence)
            return int(self._file.tell())
        except Exception as error:
            self.failed = error
            return 0

    def tell(self) -> int:
        try:
            return int(self._file.tell())
        except Exception as error:
            self.failed = error
            return 0

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """The object is the caller's: it stays open."""
