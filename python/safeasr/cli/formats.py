"""Results as text, JSON, or subtitles."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import groupby
from typing import IO, Any

from safeasr.cli.say import put_line
from safeasr.errors import SafeASRError
from safeasr.text.subtitles import srt_cue, vtt_cue

__all__ = ["SUBTITLES", "Format", "Writer", "as_error", "json_of"]

_Result = Mapping[str, Any]


class Format(str, Enum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    SRT = "srt"
    VTT = "vtt"
    TSV = "tsv"


#: Those that say when each sentence was spoken.
SUBTITLES = frozenset({Format.SRT, Format.VTT, Format.TSV})


def as_error(key: str, error: SafeASRError) -> dict[str, Any]:
    """An input that failed, as a result."""
    return {"key": key, "error": _named(error)}


class Writer:
    """Results to a file or the standard output, each as soon as it is there."""

    def __init__(self, out: IO[str], form: Format, *, with_keys: bool) -> None:
        """Nothing is written yet.

        Args:
            out: where results go.
            form: how they are written.
            with_keys: there are several of them; texts have their names before them.
        """
        self._out = out
        self._form = form
        self._with_keys = with_keys
        self._all: list[_Result] = []
        self._cues = 0
        if form is Format.VTT:
            put_line("WEBVTT\n", out)
        elif form is Format.TSV:
            put_line(_row(["key"] * with_keys + ["start", "end", "speaker", "text"]), out)

    def write(self, result: _Result) -> None:
        """One more."""
        if self._form is Format.JSON:
            self._all.append(result)
        elif self._form is Format.JSONL:
            put_line(json_of(result), self._out)
        elif self._form is Format.TEXT:
            self._write_text(result)
        else:
            for sentence in filter(_is_said, result.get("sentence_info") or ()):
                self._cues += 1
                put_line(self._cue(result, sentence), self._out)

    def write_error(self, key: str, error: SafeASRError) -> None:
        """An input that failed, in its place; what is no JSON has no way to say so."""
        if self._form in (Format.JSON, Format.JSONL):
            self.write(as_error(key, error))

    def close(self) -> None:
        """Also after Ctrl-C: what is done is not lost."""
        if self._form is Format.JSON:
            put_line(json_of(self._all, indent=1), self._out)

    def _write_text(self, result: _Result) -> None:
        name = f"{result['key']}\t" if self._with_keys else ""
        for line in _lines(result):
            put_line(name + line, self._out)

    def _cue(self, result: _Result, sentence: _Result) -> str:
        speaker, text = sentence.get("spk"), " ".join(str(sentence["text"]).split())
        start, end = int(sentence["start"]), int(sentence["end"])
        if self._form is Format.TSV:
            named = [result["key"]] * self._with_keys
            return _row([*named, start, end, "" if speaker is None else speaker, text])
        name = None if speaker is None else f"Speaker {speaker}"
        if self._form is Format.VTT:
            return vtt_cue(start, end, text, name)
        return srt_cue(self._cues, start, end, text, name)


def _is_said(sentence: _Result) -> bool:
    return bool(str(sentence["text"]).strip())


def _lines(result: _Result) -> Iterator[str]:
    """The text; where speakers are known, a line for each of their turns."""
    sentences = result.get("sentence_info") or ()
    if not any("spk" in one for one in sentences):
        yield str(result.get("text", result.get("value")))
        if "text2" in result:  # what the second head of a model for keywords says
            yield str(result["text2"])
        return
    for speaker, turn in groupby(filter(_is_said, sentences), lambda one: one["spk"]):
        yield f"Speaker {speaker}: " + " ".join(" ".join(one["text"].split()) for one in turn)


def _row(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter="\t", lineterminator="").writerow(values)
    return line.getvalue()


def json_of(value: Any, indent: int | None = None) -> str:
    """Results as JSON: tensors and arrays as lists, errors as their types and messages."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON does not know: tensors, arrays, and errors."""
    return _named(value) if isinstance(value, Exception) else value.tolist()


def _named(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": " ".join(str(error).split())}
