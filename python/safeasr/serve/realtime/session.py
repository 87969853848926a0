"""What a client wants of its session; in OpenAI's present words and in those of its beta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from safeasr.printable import printable
from safeasr.serve.openai.prompt import words_of_prompt
from safeasr.serve.problems import Problem

__all__ = ["Session", "updated"]

_FORMATS: Final = {
    "audio/pcm": ("pcm", 24000),
    "pcm16": ("pcm", 24000),
    "audio/pcmu": ("mu_law", 8000),
    "g711_ulaw": ("mu_law", 8000),
    "audio/pcma": ("a_law", 8000),
    "g711_alaw": ("a_law", 8000),
}
_NAMES: Final = {"pcm": "audio/pcm", "mu_law": "audio/pcmu", "a_law": "audio/pcma"}
_DETECTORS: Final = ("server_vad", "semantic_vad")
_MOST_WORDS: Final = 10_000
_LONGEST: Final = 500


@dataclass(frozen=True)
class Session:
    """A session's configuration.

    Attributes:
        coding: "pcm" (16-bit), "mu_law" or "a_law".
        rate: of the samples, in Hz.
        model: the client's name for it, or None.
        language: "zh", "en", ...; None: as the model does.
        hotwords: words that may come.
        detector: the kind of turn detection; None: turns end when the client says so.
        silence_ms: after which a turn ends; None: as the detector does.
        beta: whether the client speaks the words of the beta.
    """

    coding: str = "pcm"
    rate: int = 24000
    model: str | None = None
    language: str | None = None
    hotwords: tuple[str, ...] = ()
    detector: str | None = "server_vad"
    silence_ms: int | None = None
    beta: bool = False

    def as_dict(self, name: str) -> dict[str, Any]:
        """As the client is told; `name` is the session's."""
        turns: dict[str, Any] | None = None
        if self.detector is not None:
            turns = {"type": self.detector}
            if self.silence_ms is not None:
                turns["silence_duration_ms"] = self.silence_ms
        spoken: dict[str, Any] = {
            "model": self.model,
            "language": self.language,
            "prompt": " ".join(self.hotwords),
        }
        if self.beta:
            old = {"pcm": "pcm16", "mu_law": "g711_ulaw", "a_law": "g711_alaw"}
            return {
                "id": name,
                "object": "realtime.transcription_session",
                "input_audio_format": old[self.coding],
                "input_audio_transcription": spoken,
                "turn_detection": turns,
            }
        return {
            "id": name,
            "type": "transcription",
            "object": "realtime.transcription_session",
            "audio": {
                "input": {
                    "format": {"type": _NAMES[self.coding], "rate": self.rate},
                    "transcription": spoken,
                    "turn_detection": turns,
                    "noise_reduction": None,
                }
            },
        }


def updated(before: Session, fields: Any, *, beta: bool) -> Session:
    """The configuration after a ``session.update``.

    Raises:
        Problem: a field makes no sense; it is named.
    """
    if not isinstance(fields, Mapping):
        raise _wrong("session", "it must be an object")
    if fields.get("type") not in (None, "transcription"):
        raise _wrong("session.type", "only transcription sessions are served")
    given: Mapping[str, Any] = fields
    now = replace(before, beta=beta or "input_audio_transcription" in fields)
    if not now.beta:
        given = _object(_object(fields, "audio"), "input")
    form = given.get("input_audio_format" if now.beta else "format")
    if form is not None:
        now = _format(now, form)
    spoken = given.get("input_audio_transcription" if now.beta else "transcription")
    if spoken is not None:
        now = _transcription(now, spoken)
    if "turn_detection" in given:
        now = _turns(now, given["turn_detection"])
    return now


def _wrong(param: str, what: str) -> Problem:
    return Problem(400, f"{param}: {what}", "invalid_value", param=param)


def _object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise _wrong(f"session.{name}", "it must be an object")
    return found


def _format(now: Session, form: Any) -> Session:
    fields = form if isinstance(form, Mapping) else {"type": form}
    known = _FORMATS.get(str(fields.get("type")))
    if known is None:
        raise _wrong("session.audio.input.format", f"it must be one of {', '.join(_FORMATS)}")
    coding, rate = known
    asked = fields.get("rate", rate)
    if coding != "pcm":
        asked = rate
    if not isinstance(asked, int) or not 8000 <= asked <= 96_000:
        raise _wrong("session.audio.input.format.rate", "it must be between 8000 and 96000")
    return replace(now, coding=coding, rate=asked)


def _transcription(now: Session, spoken: Any) -> Session:
    if not isinstance(spoken, Mapping):
        raise _wrong("session.audio.input.transcription", "it must be an object")
    if spoken.get("model") is not None:
        now = replace(now, model=printable(spoken["model"]))
    if "language" in spoken:
        language = spoken["language"]
        code = None if not language else str(language).replace("_", "-").split("-")[0].lower()
        now = replace(now, language=None if code is None else printable(code, 20))
    if "prompt" in spoken or "keywords" in spoken:
        words = spoken.get("keywords") or []
        if not isinstance(words, list):
            raise _wrong("session.audio.input.transcription.keywords", "it must be a list")
        found = [str(word).strip() for word in words if isinstance(word, (str, int, float))]
        found += words_of_prompt(str(spoken.get("prompt") or ""))
        kept = tuple(dict.fromkeys(printable(word, _LONGEST) for word in found if word))
        if len(kept) > _MOST_WORDS:
            raise _wrong("session.audio.input.transcription", f"at most {_MOST_WORDS} words")
        now = replace(now, hotwords=kept)
    return now


def _turns(now: Session, turns: Any) -> Session:
    if turns is None:
        return replace(now, detector=None)
    if not isinstance(turns, Mapping) or turns.get("type", "server_vad") not in _DETECTORS:
        raise _wrong("session.audio.input.turn_detection", "it must be server_vad or null")
    silence = turns.get("silence_duration_ms")
    if silence is not None and (not isinstance(silence, int) or not 100 <= silence <= 10_000):
        raise _wrong(
            "session.audio.input.turn_detection.silence_duration_ms",
            "it must be between 100 and 10000",
        )
    return replace(now, detector=str(turns.get("type", "server_vad")), silence_ms=silence)
