"""FunASR's result files (``output_dir=``)."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from safeasr.calls.os_threads import allocate_rlock
from safeasr.errors import OutputError
from safeasr.families.base import LoadedModel
from safeasr.printable import quoted

__all__ = ["EmbeddingWriter", "NamesResultFiles", "ResultWriter", "Writer", "once", "writer_of"]


class Writer(Protocol):
    """Writes the results of calls into directories; safe from many threads."""

    def require_writable(self, output_dir: str) -> None:
        """Make the directory, and see that it can be written; OutputError if it cannot."""

    def write(self, output_dir: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Write the results of one call; OutputError if they cannot be written."""


def writer_of(model: LoadedModel) -> Writer:
    """What writes the results of a model, as FunASR does."""
    return EmbeddingWriter() if model.task == "emotion" else ResultWriter(model)


#: Where FunASR's recognisers write what they say; a detector has segments instead of text.
_TEXTS: Final = {"text": "1best_recog/text"}


@runtime_checkable
class NamesResultFiles(Protocol):
    """A model whose results FunASR writes to files of other names."""

    #: Names below ``output_dir``, by the keys of results that are written there.
    result_files: Mapping[str, str]


class ResultWriter:
    """Writes ``<output_dir>/1best_recog/text``, one ``key text`` a line; safe from many threads.

    As in FunASR, a model's first write to a directory starts its files anew. Inputs that failed
    have no line.

    Args:
        model: whose results they are; it may name other files.
    """

    def __init__(self, model: object = None) -> None:
        self._names = model.result_files if isinstance(model, NamesResultFiles) else _TEXTS
        self._lock = allocate_rlock()
        self._begun: set[Path] = set()

    def require_writable(self, output_dir: str) -> None:
        """Make the directory, and see that its files can be written; they are left as they are.

        Raises:
            OutputError: if one cannot.
        """
        for name in self._names.values():
            self._require_writable(Path(output_dir, name))

    @staticmethod
    def _require_writable(file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666))
        except OSError as error:
            raise _failure(file, error) from error

    def write(self, output_dir: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Append the results of one call, together; of each file all of them or nothing.

        Raises:
            OutputError: if they cannot be written.
        """
        said = [one for one in results if "error" not in one]
        for key, name in self._names.items():
            text = "".join(f"{r['key']} {r.get(key, r.get('value'))}\n" for r in said)
            self._append(Path(output_dir, name), text)

    def _append(self, file: Path, text: str) -> None:
        # Keys of files whose names are no UTF-8 keep the names' bytes.
        lines = text.encode("utf-8", "surrogateescape" if _only_bytes(text) else "replace")
        with self._lock:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("ab", buffering=0) as out:
                    if file not in self._begun:
                        out.truncate(0)
                    _write_all(out.fileno(), lines)
                self._begun.add(file)
            except OSError as error:
                raise _failure(file, error) from error


class EmbeddingWriter:
    """Writes the vectors (``feats``) of each result to ``<output_dir>/<key>.npy``."""

    def require_writable(self, output_dir: str) -> None:
        """Make the directory.

        Raises:
            OutputError: if it cannot be made, or nothing may be written there.
        """
        folder = Path(output_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failure(folder, error) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _failure(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))

    def write(self, output_dir: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Write a file for each result that has vectors; one of that name is replaced.

        Raises:
            OutputError: if one cannot be written, or a key cannot be a file's name.
        """
        for result in results:
            if "feats" not in result:
                continue
            key = str(result["key"])
            # FunASR would write wherever the key leads to.
            if key in ("", ".", "..") or not {"/", "\0", os.sep}.isdisjoint(key):
                raise OutputError(f"output_dir: the key {quoted(key)} cannot be a file's name")
            file = Path(output_dir) / f"{key}.npy"
            try:
                _replace_array(file, result["feats"])
            except (OSError, UnicodeError) as error:
                reason = error if isinstance(error, OSError) else OSError(str(error))
                raise _failure(file, reason) from error


def _replace_array(file: Path, numbers: Any) -> None:
    """Write an array; whoever reads meanwhile finds the whole file, or the one before."""
    # Readable by whom the umask says, which files of tempfile are not.
    draft = file.with_name(f".{secrets.token_hex(8)}.npy")
    try:
        with draft.open("xb") as out:
            np.save(out, numbers)
        draft.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _only_bytes(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _write_all(descriptor: int, data: bytes) -> None:
    before = os.fstat(descriptor).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)
        raise


def _failure(file: Path, error: OSError) -> OutputError:
    failure = OutputError(f"output_dir: {file} cannot be written: {error.strerror or error}")
    failure.errno = error.errno
    return failure


def once(write: Callable[[Sequence[Any]], None]) -> Callable[[Sequence[Any]], None]:
    """A function that writes when it is called first; later calls raise what the first raised."""
    lock = allocate_rlock()
    outcome: list[OutputError | None] = []

    def first_only(results: Sequence[Any]) -> None:
        with lock:
            if not outcome:
                try:
                    write(results)
                except OutputError as error:
                    outcome.append(error)
                else:
                    outcome.append(None)
        if outcome[0] is not None:
            raise outcome[0]

    return first_only
