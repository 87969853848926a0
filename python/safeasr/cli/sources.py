"""What a command line names: files, folders, URLs, list files, the standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

import typer

from safeasr.inputs.expand import Utterance, expand_inputs

__all__ = ["file_of", "sources_of"]

#: Files of a folder that are taken for audio.
_AUDIO: Final = frozenset(
    ".3gp .aac .ac3 .aif .aifc .aiff .amr .ape .au .avi .caf .flac .flv .m4a .m4b .m4v .mka .mkv "
    ".mov .mp2 .mp3 .mp4 .mpeg .mpg .oga .ogg .opus .spx .ts .w64 .wav .webm .wma .wmv".split()
)


def sources_of(inputs: Sequence[str]) -> list[tuple[str, object]]:
    """Key and source of every utterance; list files are opened, audio is not.

    A folder stands for all audio files in it and below; their keys are paths in it.
    """
    if inputs.count("-") > 1:
        raise typer.BadParameter("'-' (standard input) can be given once")
    found: list[tuple[str, object]] = []
    for name in inputs:
        if name == "-":
            found.append(("stdin", sys.stdin.buffer.read()))
        elif os.path.isdir(name):
            before = len(found)
            found.extend(_in_folder(Path(name)))
            if len(found) == before:
                raise typer.BadParameter(f"there are no audio files in {name!r}")
        else:
            found.extend(_named(name, expand_inputs(name)))
    return found


def _named(name: str, utterances: Sequence[Utterance]) -> Iterator[tuple[str, object]]:
    """With keys that are the same in the next run."""
    for number, one in enumerate(utterances, 1):
        key = one.key
        if key.startswith("rand_key_"):
            source = one.source if isinstance(one.source, str) else ""
            key = PurePath(urlsplit(source).path).stem or f"{PurePath(name).stem}-{number}"
        yield key, one.source


def _in_folder(folder: Path) -> Iterator[tuple[str, object]]:
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not one.startswith("."))
        for name in sorted(files):
            file = Path(path, name)
            if file.suffix.lower() in _AUDIO and not name.startswith("."):
                yield file.relative_to(folder).with_suffix("").as_posix(), str(file)


def file_of(key: str, suffix: str) -> PurePath:
    """Where the result of that key lies in a folder of results; never outside of it."""
    parts = [part for part in PurePath(key.replace("\0", "")).parts if part not in (os.sep, "..")]
    whole = PurePath(*parts or ["unnamed"])
    return whole.with_name(whole.name + suffix)
