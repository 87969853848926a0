"""Requests as both clients send them, and the text of a streamed answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from safeasr.client.audio import Upload
from safeasr.client.failures import error_of_code
from safeasr.errors import OptionError
from safeasr.server_errors import ServerError

__all__ = ["Request", "SentencesSaid", "TextFormat", "hotword_list", "recording"]

#: Forms of a transcript that are text already.
TextFormat = Literal["text", "srt", "vtt"]
_TEXT_FORMATS: Final = ("text", "srt", "vtt")
#: What OpenAI's clients ask for, and most servers take for their only model.
_ANY_MODEL: Final = "whisper-1"


@dataclass(frozen=True)
class Request:
    """One request, which can be sent more than once.

    Attributes:
        method: of HTTP.
        path: below the server's address.
        fields: of the form.
        upload: its file.
    """

    method: str
    path: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    upload: Upload | None = None

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """Arguments of httpx for one attempt."""
        if self.upload is None:
            yield {}
            return
        content = self.upload.open()
        try:
            yield {"data": self.fields, "files": {"file": (self.upload.name, content)}}
        finally:
            self.upload.close(content)


def recording(
    audio: Any,
    *,
    model: str | None,
    fs: int | None,
    language: str | None,
    hotwords: str | Sequence[str] | None,
    words: bool = False,
    speakers: bool = False,
    format: TextFormat | None = None,
    stream: bool = False,
) -> Request:
    """The request for a recording's transcript.

    Raises:
        AudioError: the audio is none.
        OptionError: there is no such format.
    """
    if format is not None and format not in _TEXT_FORMATS:
        raise OptionError(f"format must be one of {', '.join(_TEXT_FORMATS)}, got {format!r}")
    fields: dict[str, Any] = {"model": model or _ANY_MODEL}
    if language is not None:
        fields["language"] = language
    if hotwords is not None:
        fields["keywords[]"] = hotword_list(hotwords)
    if stream:
        fields["stream"] = "true"
    elif format is None:
        fields["response_format"] = "verbose_json"
        fields["timestamp_granularities[]"] = ["segment", "word"] if words else ["segment"]
    else:
        fields["response_format"] = format
    if speakers:
        fields["spk"] = "true"
    return Request("POST", "/v1/audio/transcriptions", fields, Upload(audio, fs))


def hotword_list(hotwords: str | Sequence[str]) -> list[str]:
    """Words, as ``AutoModel`` takes them, too: with spaces between, or a list."""
    return hotwords.split() if isinstance(hotwords, str) else [str(word) for word in hotwords]


class SentencesSaid:
    """The text of a streamed answer, out of its server-sent events.

    An answer that broke off is asked for again; what was told of it is not told twice.

    Attributes:
        done: whether the server has said that it is all.
    """

    def __init__(self) -> None:
        """Nothing was said."""
        self.done = False
        self._told = ""
        self._said = ""

    def begin(self) -> None:
        """An answer begins, the first one or another."""
        self._said = ""

    def take(self, line: str) -> str:
        """What a line of the answer adds to the text; "" if nothing.

        Raises:
            ServerError: the server tells of an error, or says something else than the last time.
        """
        if not line.startswith("data:"):
            return ""
        data = line[len("data:") :].strip()
        if data == "[DONE]":
            self.done = True
            return ""
        try:
            event = json.loads(data)
            if "error" in event:
                raise _error_of(event["error"])
            if event["type"] == "transcript.text.done":
                self.done = True
            if event["type"] != "transcript.text.delta":
                return ""
            self._said += str(event["delta"])
        except (ValueError, KeyError, TypeError) as error:
            raise ServerError(
                f"the server streams what is no transcript: {line[:100]!r}"
            ) from error
        return self._news()

    def _news(self) -> str:
        if self._told.startswith(self._said):
            return ""
        if not self._said.startswith(self._told):
            raise ServerError("the answer broke off, and the second one begins in other words")
        news = self._said[len(self._told) :]
        self._told = self._said
        return news


def _error_of(error: Any) -> ServerError:
    if not isinstance(error, dict):
        return ServerError(str(error))
    return error_of_code(str(error.get("code") or "server_error"), str(error.get("message", "")))
