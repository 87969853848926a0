"""Clips from files, folders, lists and manifests, and those that come with the package."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.errors import AudioFileNotFoundError, InputError
from safeasr.inputs.audio import load_audio
from safeasr.printable import quoted

__all__ = ["embedded_clips", "load_clips", "read_references"]

_MODELS = Path(__file__).parents[2] / "models"
_AUDIO = ("audio", "audio_filepath", "audio_path", "path", "wav", "file", "source")
_TEXT = ("text", "reference", "target", "transcript", "sentence")
_KEY = ("key", "id", "name", "utt_id")
_SOUND_FILES = frozenset(
    ".aac .aif .aiff .amr .au .caf .flac .m4a .mka .mkv .mp3 .mp4 .oga .ogg .opus .wav .webm "
    ".wma".split()
)


def embedded_clips(which: str = "demo") -> list[Clip]:
    """Recordings of the package, with what is said in them.

    Args:
        which: "demo": 16 of one to five seconds; "demo-streaming": one of 18 seconds with pauses.
    """
    folder = _MODELS / which / "audio"
    texts: dict[str, Any] = {}
    for path in folder.glob("*.json"):
        texts.update(json.loads(path.read_text(encoding="utf-8")))
    clips = []
    for path in sorted(folder.glob("*.flac")):
        said = texts.get(path.name)
        if isinstance(said, dict):
            said = " ".join(said["spoken"])
        clips.append(_clip(path.stem, path, said, {}))
    return clips


def load_clips(
    inputs: Sequence[str], references: Mapping[str, str] | None = None, limit: int | None = None
) -> list[Clip]:
    """The clips of all inputs, each decoded once to 16 kHz.

    Args:
        inputs: audio files; folders of them; Kaldi's ``wav.scp``; ``.jsonl`` (a file, perhaps a
            text, a key and options in each line) or ``.csv`` manifests (with a line of names).
        references: what is said, by key; goes before what a manifest says.
        limit: how many at most.

    Raises:
        InputError: a manifest is none, two clips have one name, or references are all of others.
        AudioError: a file cannot be decoded or is not there.
    """
    clips: dict[str, Clip] = {}
    for key, path, said, options in _entries(inputs):
        if limit is not None and len(clips) >= limit:
            break
        if key in clips:
            raise InputError(f"two clips are called {key!r}: the second is {path}")
        clips[key] = _clip(key, path, (references or {}).get(key, said), options)
    if not clips:
        raise InputError(f"no audio in {', '.join(inputs)}")
    if references and not references.keys() & clips.keys():
        # Silently measured without references, nobody would know why there is no error rate.
        raise InputError(
            "no reference is of any of the clips: their keys are such as "
            f"{quoted(next(iter(references)))}, those of the clips such as "
            f"{quoted(next(iter(clips)))}"
        )
    return list(clips.values())


def read_references(path: Path) -> dict[str, str]:
    """Kaldi's ``text``: in each line a key and what is said.

    Raises:
        InputError: it cannot be read, or is empty.
    """
    found = dict(_keyed(line) for line in _lines(path))
    if not found:
        raise InputError(f"{path}: no references")
    return found


def _keyed(line: str) -> tuple[str, str]:
    """A line of Kaldi's: a key, and all that follows the white space after it."""
    key, *rest = line.strip().split(None, 1)
    return key, rest[0] if rest else ""


def _clip(key: str, path: Path, text: str | None, options: dict[str, Any]) -> Clip:
    if not path.is_file():
        raise AudioFileNotFoundError(f"{path}: no such file")
    samples = load_audio(str(path), sample_rate=SAMPLE_RATE)
    return Clip(key, samples, path.read_bytes(), path.name, text, options)


def _entries(inputs: Sequence[str]) -> Iterator[tuple[str, Path, str | None, dict[str, Any]]]:
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders.sort()
                for file in sorted(files):
                    found = Path(folder, file)
                    if found.suffix.lower() in _SOUND_FILES:
                        key = found.relative_to(path).with_suffix("").as_posix()
                        yield key, found, None, {}
        elif path.suffix == ".scp":
            for line in _lines(path):
                key, named = _keyed(line)
                yield key, _beside(path, _file_of(path, key, named)), None, {}
        elif path.suffix in (".jsonl", ".csv"):
            for number, row in enumerate(_rows(path), 1):
                audio = _first(row, _AUDIO)
                if audio is None:
                    raise InputError(f"{path}, row {number}: none of {', '.join(_AUDIO)} is there")
                options = _options(row.get("options"), f"{path}, row {number}")
                name = _first(row, _KEY) or Path(audio).stem
                yield name, _beside(path, audio), _first(row, _TEXT), options
        else:
            yield path.stem, path, None, {}


def _file_of(path: Path, key: str, named: str) -> str:
    """The file of an entry of ``wav.scp``, which may also hold what is none."""
    if named.endswith("|"):
        raise InputError(
            f"{path}: {quoted(key)} is a command ({quoted(named)}), and commands are not run: "
            "write its output to a file, as Kaldi's wav-copy does, and name that"
        )
    if not named:
        raise InputError(f"{path}: {quoted(key)} has no file")
    return named


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    lines = _lines(path)
    if path.suffix == ".csv":
        yield from csv.DictReader(lines)
        return
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected an object, got {row!r}")
        yield row


def _options(given: Any, where: str) -> dict[str, Any]:
    """Options of a call: an object, or JSON of one."""
    if isinstance(given, str) and given:
        try:
            given = json.loads(given)
        except ValueError as error:
            raise InputError(f"{where}: options are no JSON: {error}") from error
    if given and not isinstance(given, dict):
        raise InputError(f"{where}: expected an object of options, got {given!r}")
    return dict(given or {})


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    return [line for line in text.splitlines() if line.strip()]


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), None)


def _beside(manifest: Path, audio: str) -> Path:
    path = Path(audio)
    return path if path.is_absolute() or path.is_file() else manifest.parent / path
