"""The fields of a transcription's form, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import FormData, UploadFile

from safeasr.printable import printable
from safeasr.serve.openai.prompt import words_of_prompt
from safeasr.serve.problems import Problem

__all__ = ["FORMATS", "Asked", "asked_of"]

#: In which form answers can be had.
FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
_GRANULARITIES: Final = ("word", "segment")
_MOST_WORDS: Final = 10_000
_LONGEST: Final = 500
_NO: Final = frozenset({"", "false", "0", "no", "off"})


@dataclass(frozen=True)
class Asked:
    """What a client wants.

    Attributes:
        file: the recording.
        model: its name for it, or None.
        language: "zh", "en", ...; None: as the model does.
        hotwords: words that may come, from ``keywords`` and ``prompt``.
        form: one of :data:`FORMATS`.
        words: whether it wants the words' times.
        segments: whether it wants segments.
        stream: whether it wants the text as it comes.
        speakers: whether it wants to know who says what.
        pauses: the detector's options, from ``chunking_strategy``.
    """

    file: UploadFile
    model: str | None
    language: str | None
    hotwords: tuple[str, ...]
    form: str
    words: bool
    segments: bool
    stream: bool
    speakers: bool
    pauses: Mapping[str, Any]


def asked_of(fields: FormData) -> Asked:
    """Read a form.

    Raises:
        Problem: a field is missing or makes no sense; it is named.
    """
    file = fields.get("file")
    if not isinstance(file, UploadFile):
        raise _wrong("file", "a file is needed")
    form = _text(fields, "response_format") or "json"
    if form not in FORMATS:
        raise _wrong("response_format", f"it must be one of {', '.join(FORMATS)}")
    granularities = [*_all(fields, "timestamp_granularities")]
    if unknown := set(granularities) - set(_GRANULARITIES):
        raise _wrong("timestamp_granularities", f"no {sorted(unknown)[0][:40]!r} is known")
    stream = _flag(fields, "stream")
    if stream and form not in ("json", "text"):
        raise _wrong("stream", f"with response_format {form!r} there is none")
    _temperature(fields)
    return Asked(
        file=file,
        model=_text(fields, "model"),
        language=_language(fields),
        hotwords=_hotwords(fields),
        form=form,
        words="word" in granularities,
        segments=not granularities or "segment" in granularities,
        stream=stream,
        speakers=form == "diarized_json" or _flag(fields, "spk"),
        pauses=_pauses(_text(fields, "chunking_strategy")),
    )


def _wrong(param: str, what: str) -> Problem:
    return Problem(400, f"{param}: {what}", "invalid_value", param=param)


def _all(fields: FormData, name: str) -> list[str]:
    """A list as clients send it: ``name[]`` or ``name`` many times, or JSON."""
    values = [*fields.getlist(f"{name}[]"), *fields.getlist(name)]
    found: list[str] = []
    for value in values:
        if not isinstance(value, str):
            raise _wrong(name, "it must be text")
        if value.lstrip().startswith("["):
            try:
                found += map(str, json.loads(value))
                continue
            except (ValueError, TypeError, RecursionError):
                pass
        found.append(value)
    return [one.strip() for one in found if one.strip()]


def _text(fields: FormData, name: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _wrong(name, "it must be text")
    return value.strip() or None


def _flag(fields: FormData, name: str) -> bool:
    return (_text(fields, name) or "").lower() not in _NO


def _language(fields: FormData) -> str | None:
    languages = _all(fields, "languages")
    language = _text(fields, "language") or (languages[0] if len(languages) == 1 else None)
    # "zh-CN" is FunASR's "zh".
    return None if language is None else language.replace("_", "-").split("-")[0].lower()[:20]


def _hotwords(fields: FormData) -> tuple[str, ...]:
    words = [*_all(fields, "keywords"), *_all(fields, "hotwords")]
    words = [part.strip() for word in words for part in word.split(",")]
    words += words_of_prompt(_text(fields, "prompt") or "")
    found = tuple(dict.fromkeys(printable(word, _LONGEST) for word in words if word))
    if len(found) > _MOST_WORDS:
        raise _wrong("prompt", f"at most {_MOST_WORDS} words")
    return found


def _temperature(fields: FormData) -> None:
    value = _text(fields, "temperature")
    try:
        if value is not None and not 0.0 <= float(value) <= 1.0:
            raise ValueError
    except ValueError:
        raise _wrong("temperature", "it must be a number between 0 and 1") from None


def _pauses(value: str | None) -> dict[str, Any]:
    """The detector's options; "auto" and a server_vad object are known."""
    if value is None or value == "auto":
        return {}
    try:
        strategy = json.loads(value)
        if strategy.get("type") != "server_vad":
            raise ValueError
        silence = strategy.get("silence_duration_ms")
        if silence is None:
            return {}
        return {"max_end_silence_time": max(100, min(int(silence), 10_000))}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise _wrong("chunking_strategy", 'it must be "auto" or a server_vad object') from None
