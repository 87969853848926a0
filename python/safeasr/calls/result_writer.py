"""FunASR's result files (``output_dir=``)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safeasr.calls.os_threads import allocate_rlock
from safeasr.errors import OutputError

__all__ = ["ResultWriter", "once"]


class ResultWriter:
    """Writes ``<output_dir>/1best_recog/text``, one ``key text`` a line; safe from many threads.

    As in FunASR, a model's first write to a directory starts its file anew. Inputs that failed have
    no line.
    """

    def __init__(self) -> None:
        self._lock = allocate_rlock()
        self._begun: set[Path] = set()

    @staticmethod
    def _file(output_dir: str) -> Path:
        return Path(output_dir) / "1best_recog" / "text"

    def require_writable(self, output_dir: str) -> None:
        """Make the directory, and see that the file can be written; it is left as it is.

        Raises:
            OutputError: if it cannot.
        """
        file = self._file(output_dir)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o666))
        except OSError as error:
            raise _failure(file, error) from error

    def write(self, output_dir: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Append the results of one call, together, or nothing of them.

        Raises:
            OutputError: if they cannot be written.
        """
        file = self._file(output_dir)
        # A voice activity detector has segments instead of text.
        text = "".join(
            f"{r['key']} {r.get('text', r.get('value'))}\n" for r in results if "error" not in r
        )
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
