"""Where results go: all to one place, or each to a file of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol

import typer

from safeasr.cli.formats import Format, Writer
from safeasr.cli.sources import file_of
from safeasr.errors import OutputError, SafeASRError

__all__ = ["Folder", "Output"]

#: As whisper and others name them.
_SUFFIXES: Final = {Format.TEXT: ".txt"}


class Output(Protocol):
    """Takes results, in the order of the inputs."""

    def write(self, result: Mapping[str, Any]) -> None:
        """One more."""

    def write_error(self, key: str, error: SafeASRError) -> None:
        """An input that failed."""

    def close(self) -> None:
        """No more come; also after Ctrl-C."""


class Folder:
    """A file for each input, which is there as a whole or not at all."""

    def __init__(self, folder: Path, form: Format) -> None:
        """Make the folder if there is none.

        Args:
            folder: for all files.
            form: how results are written.
        """
        self._folder = folder
        self._suffix = _SUFFIXES.get(form, f".{form.value}")
        # An object on a line of its own is JSON, too.
        self._form = Format.JSONL if form is Format.JSON else form
        folder.mkdir(parents=True, exist_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / file_of(key, self._suffix)

    def left_over(
        self, sources: Sequence[tuple[str, object]], *, resume: bool
    ) -> list[tuple[str, object]]:
        """The inputs that have no file yet; all of them unless a run is resumed.

        Raises:
            typer.BadParameter: if two would have one file.
        """
        counts = Counter(self._file(key) for key, _ in sources)
        twice = next((file for file, count in counts.items() if count > 1), None)
        if twice is not None:
            raise typer.BadParameter(f"{counts[twice]} inputs would be written to {twice}")
        return [one for one in sources if not (resume and os.path.exists(self._file(one[0])))]

    def write(self, result: Mapping[str, Any]) -> None:
        """Write its file, unless parts of it failed: whoever resumes tries again.

        Raises:
            OutputError: if it cannot be written; other files can.
        """
        if result.get("errors"):
            return
        file = self._file(str(result["key"]))
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("w", encoding="utf-8") as out:
                    _write_alone(result, out, self._form)
                unfinished.replace(file)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{file} cannot be written: {error.strerror or error}") from error

    def write_error(self, key: str, error: SafeASRError) -> None:
        """No file: whoever resumes tries again."""

    def close(self) -> None:
        """Each file was closed when it was written."""


def _write_alone(result: Mapping[str, Any], out: IO[str], form: Format) -> None:
    writer = Writer(out, form, with_keys=False)
    writer.write(result)
    writer.close()
