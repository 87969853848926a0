"""What a file is when it is not what it should be, said so that one knows what to do."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from safeasr.errors import ExportError, OutOfMemoryError

__all__ = ["check_archive", "out_of_memory", "read_small", "what_it_is_instead"]

_POINTER = b"version https://git-lfs.github.com/spec/"
_HTML = (b"<!doctype", b"<html", b"<head", b"<?xml")
#: Of configurations, vocabularies and CMVN. The largest of FunASR's are about 2 MB.
_MOST_BYTES = 64 << 20
#: How torch, libc and Python say that there is no memory left.
_NO_MEMORY = (
    "cannot allocate memory",
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "can't start new thread",
)


def what_it_is_instead(path: Path) -> str | None:
    """Why a file cannot be what its name says, and what to do; None if that cannot be told.

    Args:
        path: a file that is there.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "it is empty: download it again"
    if head.startswith(_POINTER):
        size = next(
            (line[5:] for line in head.splitlines() if line[:5] == b"size " and line[5:].isdigit()),
            b"many",
        )
        return (
            f"it is a Git LFS pointer, which stands for a file of {size.decode()} bytes: run "
            "`git lfs pull` in the directory, or download the file itself"
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_HTML):
        return "it is a web page: most likely an error page was saved. Download the file again"
    if not head.strip(b"\0"):
        return "it begins with zeros, as a download that was broken off: download it again"
    return None


def check_archive(path: Path) -> None:
    """Refuse a checkpoint in torch's format (a zip archive) that is cut short or damaged.

    Every entry has a checksum, which torch itself does not look at. That reads the whole file: 1
    to 2 GB a second, once for each export.

    Raises:
        ExportError: naming the file and what is wrong; also for what is no checkpoint at all.
    """
    instead = what_it_is_instead(path)
    if instead is not None:
        raise ExportError(f"cannot read the checkpoint {path}: {instead}")
    with path.open("rb") as file:
        begins = file.read(4) == b"PK\x03\x04"
        file.seek(max(0, file.seek(0, 2) - 100))
        ends = b"PK\x05\x06" in file.read()
    if not begins and not ends:
        return  # torch's old format, or none
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OSError) as error:
        raise ExportError(
            f"cannot read the checkpoint {path}: it is cut short or damaged ({error}; it has "
            f"{path.stat().st_size} bytes): download it again"
        ) from error
    if damaged is not None:
        raise ExportError(
            f"the checkpoint {path} is damaged: the content of {damaged} does not fit its "
            "checksum. Download it again (or save it again, if it was saved with torch's checksums "
            "switched off)"
        )


def read_small(path: Path, what: str = "text") -> str:
    """The text of a file of a model directory.

    Args:
        path: the file.
        what: what it should hold, for messages.

    Raises:
        ExportError: if it cannot be read, is no UTF-8, or far larger than such a file can be.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ExportError(f"{path} is larger than {_MOST_BYTES >> 20} MB: that is no {what}")
        instead = what_it_is_instead(path)
        if instead is not None:
            raise ExportError(f"{path} holds no {what}: {instead}")
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExportError(
            f"{path} is not {what} in UTF-8: byte {error.start} is {content[error.start]:#04x}"
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory left, whatever its type."""
    if isinstance(error, MemoryError):
        return not isinstance(error, OutOfMemoryError)
    if not isinstance(error, (RuntimeError, ValueError, OSError)):
        return False
    text = str(error).lower()
    return any(words in text for words in _NO_MEMORY)
