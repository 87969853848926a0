"""What clients of FunASR's websocket protocol say of themselves, in all shapes that occur."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from safeasr.printable import printable
from safeasr.serve.problems import Problem, json_object

__all__ = ["Configuration", "Message", "message_of"]

_RATES: Final = (1000, 384_000)
_LONGEST: Final = 500
_MOST_HOTWORDS: Final = 10_000
_PCM: Final = frozenset({"", "pcm", "raw", "s16le", "pcm_s16le"})
_YES: Final = frozenset({"true", "1", "yes"})
_NO: Final = frozenset({"false", "0", "no"})


@dataclass(frozen=True)
class Configuration:
    """How the audio of a connection is to be taken.

    Attributes:
        mode: "2pass", "online" or "offline".
        wav_name: comes back with each answer.
        wav_format: "pcm" for raw samples; else the audio is a file's contents, of any format.
        rate: of raw samples, in Hz.
        chunk_size: of the streaming recogniser; None: the server's.
        encoder_look_back: of the streaming recogniser, in chunks; None: the server's.
        decoder_look_back: likewise.
        hotwords: in the client's order; None: it named none.
        itn: whether numbers are to be written as digits; None: as the model does.
        language: "zh", "en", ...; None: as the model does.
        speakers: whether answers say who speaks; None: as the server does.
    """

    mode: str = "2pass"
    wav_name: str = "microphone"
    wav_format: str = "pcm"
    rate: int = 16000
    chunk_size: tuple[int, ...] | None = None
    encoder_look_back: int | None = None
    decoder_look_back: int | None = None
    hotwords: tuple[str, ...] | None = None
    itn: bool | None = None
    language: str | None = None
    speakers: bool | None = None


@dataclass(frozen=True)
class Message:
    """One text message.

    Attributes:
        configuration: what holds from now on.
        ends: whether the utterance ends with it.
        acknowledge: whether the client wants to hear that it has.
        problems: what its fields say that makes no sense; the others hold all the same, for a
            client whose utterance does not end would wait for ever.
    """

    configuration: Configuration
    ends: bool
    acknowledge: bool
    problems: tuple[Problem, ...] = ()


def message_of(text: str, before: Configuration) -> Message:
    """Read a message.

    Args:
        text: JSON, an object.
        before: what held until now; fields that are missing stay.

    Raises:
        Problem: it is none.
    """
    fields = json_object(text)
    ends = _is_no(fields.get("is_speaking")) or _is_yes(fields.get("is_finished"))
    configuration, problems = _configured(fields, before)
    return Message(configuration, ends, _is_yes(fields.get("is_end")), problems)


def _configured(
    fields: Mapping[str, Any], before: Configuration
) -> tuple[Configuration, tuple[Problem, ...]]:
    known: dict[str, Any] = {}
    problems = []
    for field, (name, read) in _FIELDS.items():
        # With null there are no hotwords any more; of other fields it says nothing.
        if field not in fields or (fields[field] is None and field != "hotwords"):
            continue
        try:
            known[name] = read(field, fields[field])
        except Problem as problem:
            problems.append(problem)
    return replace(before, **known), tuple(problems)


def _wrong(field: str, what: str) -> Problem:
    return Problem(400, f"{field} {what}", "invalid_option", param=field)


def _text(field: str, value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise _wrong(field, "must be text")
    return printable(value, _LONGEST)


def _mode(field: str, value: Any) -> str:
    """FunASR's C# client says "office" and means offline; what nobody knows is 2pass, as in C++."""
    said = _text(field, value).strip().lower()
    if said.startswith("off"):
        return "offline"
    return "online" if said in ("online", "2pass-online") else "2pass"


def _format(field: str, value: Any) -> str:
    said = _text(field, value).strip().lower()
    return "pcm" if said in _PCM else said


def _rate(field: str, value: Any) -> int:
    rate = _whole(field, value)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise _wrong(field, f"must be between {_RATES[0]} and {_RATES[1]}")
    return rate


def _whole(field: str, value: Any) -> int:
    try:
        number = float(value)
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _wrong(field, "must be a whole number")


def _chunk_size(field: str, value: Any) -> tuple[int, ...] | None:
    """A list, or "5,10,5". What is no such thing is the server's to choose."""
    parts = value.strip("[]() ").split(",") if isinstance(value, str) else value
    if isinstance(parts, (int, float)) and not isinstance(parts, bool):
        parts = [parts]
    if not isinstance(parts, (list, tuple)) or not 1 <= len(parts) <= 3:
        return None
    try:
        sizes = tuple(int(float(part)) for part in parts)
    except (TypeError, ValueError, OverflowError):
        return None
    # One number is the chunk itself, in steps of 60 ms.
    sizes = (0, sizes[0], 5) if len(sizes) == 1 else (*sizes, 5)[:3]
    return sizes if 0 < sizes[1] <= 100 and min(sizes) >= 0 and max(sizes) <= 100 else None


def _hotwords(field: str, value: Any) -> tuple[str, ...] | None:
    """Words from a string, JSON in a string, an object with weights, or a list.

    Weights are of FunASR's C++ runtime, which adds them to a search; the networks know none.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = value.strip("{}[] ")
    if isinstance(value, str):
        words = _words(value)
    elif isinstance(value, Mapping):
        words = list(value)
    elif isinstance(value, (list, tuple)):
        words = [str(word) for word in value if isinstance(word, (str, int, float))]
    else:
        return None
    found = tuple(word for word in (printable(word, _LONGEST).strip() for word in words) if word)
    if len(found) > _MOST_HOTWORDS:
        raise _wrong(field, f"may be {_MOST_HOTWORDS} at most")
    return found or None


def _words(text: str) -> list[str]:
    """One a line with or without a weight, or divided by commas, or by spaces."""
    for mark in ("\n", ",", "，", "、", ";", "；"):
        if mark in text:
            return [_unweighted(part) for part in text.split(mark)]
    return text.split()


def _unweighted(part: str) -> str:
    word, _, last = part.strip().rpartition(" ")
    return word.strip() if word and last.lstrip("-").isdigit() else part.strip()


def _is_no(value: Any) -> bool:
    return value is False or value == 0 or _lower(value) in _NO


def _is_yes(value: Any) -> bool:
    return value is True or value == 1 or _lower(value) in _YES


def _lower(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _switch(field: str, value: Any) -> bool:
    return not _is_no(value)


#: What a client's fields are in a configuration, and how each is read.
_FIELDS: Final[Mapping[str, tuple[str, Callable[[str, Any], Any]]]] = {
    "mode": ("mode", _mode),
    "wav_name": ("wav_name", _text),
    "wav_format": ("wav_format", _format),
    "audio_fs": ("rate", _rate),
    "chunk_size": ("chunk_size", _chunk_size),
    "encoder_chunk_look_back": ("encoder_look_back", _whole),
    "decoder_chunk_look_back": ("decoder_look_back", _whole),
    "hotwords": ("hotwords", _hotwords),
    "itn": ("itn", _switch),
    "svs_itn": ("itn", _switch),
    "svs_lang": ("language", _text),
    "spk": ("speakers", _switch),
}
