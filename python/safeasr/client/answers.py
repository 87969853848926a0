"""What a server says of a recording and of itself, read from OpenAI's JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safeasr.printable import printable
from safeasr.server_errors import ServerError

__all__ = ["Segment", "ServedModel", "Transcript", "Word", "joined", "models_of", "transcript_of"]


@dataclass(frozen=True)
class Word:
    """A word of a transcript.

    Attributes:
        word: as it is written.
        start: in seconds from the beginning of the recording.
        end: likewise.
    """

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """A sentence of a transcript.

    Attributes:
        text: with its marks.
        start: in seconds from the beginning of the recording.
        end: likewise.
        speaker: the server's name for who says it; None: it was not asked, or does not know.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording.

    Attributes:
        text: all of it.
        segments: its sentences, as far as the server tells.
        words: with their times, if they were asked for.
        language: such as "zh"; None: the server does not know.
        duration: of the recording, in seconds; None: the server does not tell.
        failed_parts: how many parts of the recording the server could not recognise.
    """

    text: str
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()
    language: str | None = None
    duration: float | None = None
    failed_parts: int = 0


@dataclass(frozen=True)
class ServedModel:
    """A model that a server has.

    Attributes:
        name: for the ``model`` of requests.
        loaded: whether it is in memory; others are loaded when somebody asks for them.
        live: modes of the live sessions it can serve; () also where the server does not tell.
        recordings: whether it takes recordings.
        speakers: whether it tells speakers apart.
    """

    name: str
    loaded: bool = True
    live: tuple[str, ...] = ()
    recordings: bool = True
    speakers: bool = False


def joined(before: str, text: str) -> str:
    """A text and the next piece of it: a space between them, unless both are Chinese."""
    if not (before and text):
        return before + text
    both_chinese = all("\u3400" <= one <= "\u9fff" for one in (before[-1], text[0]))
    return before + text if both_chinese else f"{before} {text}"


def transcript_of(content: bytes) -> Transcript:
    """Read the body of an answer, "json" or "verbose_json", of whatever server.

    Raises:
        ServerError: it is none.
    """
    said = _object(content)
    try:
        segments = [one for one in said.get("segments") or () if isinstance(one, dict)]
        # funasr-server has words in its segments.
        words = said.get("words") or [word for one in segments for word in one.get("words") or ()]
        duration = said.get("duration")
        return Transcript(
            text=str(said["text"]).strip(),
            segments=tuple(map(_segment, segments)),
            words=tuple(_word(one) for one in words),
            language=_language(said.get("language")),
            duration=None if duration is None else float(duration),
            failed_parts=int(said.get("failed_parts") or 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _no_answer(content, error) from error


def models_of(content: bytes) -> list[ServedModel]:
    """Read the body of an answer about models.

    Raises:
        ServerError: it is none.
    """
    try:
        return [
            ServedModel(
                name=str(one["id"]),
                loaded=bool(one.get("loaded", True)),
                live=tuple(map(str, one.get("live") or ())),
                recordings=bool(one.get("recordings", True)),
                speakers=bool(one.get("speakers", False)),
            )
            for one in _object(content)["data"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_answer(content, error) from error


def _object(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _no_answer(content, error) from error
    if not isinstance(said, dict):
        raise _no_answer(content, "it is no JSON object")
    return said


def _no_answer(content: bytes, why: object) -> ServerError:
    shown = printable(content[:100].decode("utf-8", "replace"))
    return ServerError(f"the server's answer is none ({printable(why)}): {shown}")


def _segment(one: Mapping[str, Any]) -> Segment:
    speaker = one.get("speaker")
    name = None if speaker is None else str(speaker)
    return Segment(str(one["text"]).strip(), float(one["start"]), float(one["end"]), name)


def _word(one: Mapping[str, Any]) -> Word:
    return Word(str(one.get("word", one.get("text"))), float(one["start"]), float(one["end"]))


def _language(said: Any) -> str | None:
    return None if said in (None, "", "unknown") else str(said)
