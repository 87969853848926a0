"""SHA-256 of files, and of those that were looked at before."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from pathlib import Path

__all__ = ["file_digest", "known_digest", "noted_digest", "write_new"]

_DIGEST = re.compile(r"[0-9a-f]{64}")
#: Digests of files that this process has read, by all that changes with their content.
_known: dict[tuple[int, ...], str] = {}
_MOST_KNOWN = 4096


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _identity(path: Path) -> tuple[int, ...]:
    facts = path.stat()
    # The time of the last change (ctime) is the kernel's own: nobody can set it back.
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def known_digest(path: Path) -> str:
    """The file's digest; a process reads a file once, and again when it has changed."""
    identity = _identity(path)
    found = _known.get(identity)
    if found is None:
        found = file_digest(path)
        if _identity(path) == identity:  # it stayed as it is while it was read
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[identity] = found
    return found


def write_new(path: Path, content: bytes) -> None:
    """Write a file so that others see all of it or nothing; permissions are the umask's."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def noted_digest(path: Path, notes: Path) -> str:
    """The file's digest, which later processes find in a folder of notes.

    Hashing a gigabyte takes longer than loading a bundle made from it. Where notes cannot be
    written, every process reads the file.

    Args:
        path: the file.
        notes: the folder; need not be there.
    """
    identity = json.dumps([str(path.resolve()), *_identity(path)])
    note = notes / hashlib.sha256(identity.encode()).hexdigest()[:32]
    with contextlib.suppress(OSError, UnicodeDecodeError):
        found = note.read_text(encoding="ascii")
        if _DIGEST.fullmatch(found):
            return found
    digest = known_digest(path)
    with contextlib.suppress(OSError):  # a cache that only root may write, or a full disk
        notes.mkdir(parents=True, exist_ok=True)
        write_new(note, digest.encode())
    return digest
