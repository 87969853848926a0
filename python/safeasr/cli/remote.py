"""A server far away, as ``safeasr transcribe --server`` uses it: without torch."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from safeasr.cli.say import complain
from safeasr.client import AsyncClient, Event, PartFailed, Partial, Segment, Session, Transcript
from safeasr.client import Final as FinalEvent
from safeasr.client.background import run, start
from safeasr.errors import AudioError, InferenceError, SafeASRError
from safeasr.inputs.download import download, is_url
from safeasr.inputs.hotwords import read_hotwords
from safeasr.server_errors import BadRequestError, ServerError

__all__ = ["Remote"]

#: Of a file; a recording of hours takes a while.
_TIMEOUT_S: Final = 1800.0


class Remote:
    """See :class:`safeasr.cli.running.Recogniser`."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        model: str | None,
        hotwords: str | None,
        language: str | None,
        speakers: bool,
        callers: int,
        insecure: bool,
        timestamps: bool,
        sentences: bool,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: of the server.
            api_key: if it wants any.
            model: the name of one of its models; None: its own choice.
            hotwords: words to look out for, or a file of them.
            language: of what is said; None: as the model does.
            speakers: tell who says what.
            callers: inputs that are under way at a time.
            insecure: certificates go unchecked.
            timestamps: tell the times of words.
            sentences: tell sentences with their times.
        """
        # On an event loop, requests can be taken back.
        self._client = AsyncClient(
            url, api_key or None, model=model, timeout=_TIMEOUT_S, verify=not insecure
        )
        self._hotwords = list(read_hotwords(hotwords).words) if hotwords else None
        self._language = language
        self._speakers = speakers
        self._callers = callers
        self._timestamps = timestamps
        self._sentences = sentences or speakers
        self._under_way: set[Future[Transcript]] = set()

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, *_: object) -> None:
        run(self._client.close())

    def recognise(self, key: str, source: object) -> dict[str, Any]:
        """See there."""
        audio = download(source) if isinstance(source, str) and is_url(source) else source
        said = start(
            self._client.transcribe(
                audio,
                language=self._language,
                hotwords=self._hotwords,
                words=self._timestamps,
                speakers=self._speakers,
            )
        )
        self._under_way.add(said)
        try:
            return self._result(key, said.result())
        except BadRequestError as error:
            if error.code == "model_not_found":
                raise SafeASRError(str(error)) from error
            raise AudioError(str(error)) from error
        except ServerError as error:
            if type(error) is not ServerError:  # busy, unreachable, ...: it is so for all inputs
                raise
            raise InferenceError(str(error)) from error
        finally:
            self._under_way.discard(said)

    def _result(self, key: str, said: Transcript) -> dict[str, Any]:
        """In the form of a model's own."""
        result: dict[str, Any] = {"key": key, "text": said.text}
        if self._timestamps:
            result["words"] = [one.word for one in said.words]
            result["timestamp"] = [[_ms(one.start), _ms(one.end)] for one in said.words]
        if self._sentences:
            result["sentence_info"] = [_sentence(one) for one in said.segments]
        if said.failed_parts:
            failed = InferenceError(f"{said.failed_parts} parts of it could not be recognised")
            result["errors"] = [{"error": failed}]
        return result

    @contextmanager
    def live(self, key: str, rate: int) -> Iterator[_Live]:
        """See there."""
        live = self._client.live(
            fs=rate,
            hotwords=self._hotwords,
            language=self._language,
            speakers=self._speakers or None,
        )
        with Session(live) as session:
            yield _Live(session, key)

    def callers(self, inputs: int) -> int:
        """See there."""
        return max(1, min(self._callers, inputs))

    def stop(self) -> None:
        """See there."""
        for said in list(self._under_way):
            said.cancel()


class _Live:
    """A live session, told in the events of ``AutoModel.stream``."""

    def __init__(self, session: Session, key: str) -> None:
        self._session = session
        self._key = key

    def feed(self, samples: Any, is_final: bool) -> Iterator[dict[str, Any]]:
        """See :class:`safeasr.cli.running.Feed`."""
        self._session.send(samples)
        if is_final:
            self._session.finish()
        events = self._session if is_final else self._session.ready()
        return (self._told(event) for event in events)

    def _told(self, event: Event) -> dict[str, Any]:
        if isinstance(event, Partial):
            words = {"text": event.added, "segment_text": event.text}
            return {"mode": "2pass-online", "is_final": False, **words}
        if isinstance(event, FinalEvent):
            told: dict[str, Any] = {"mode": "2pass-offline", "is_final": True, "text": event.text}
            if event.start is not None and event.end is not None:
                told |= {"start": _ms(event.start), "end": _ms(event.end)}
            return told if event.speaker is None else told | {"spk": _number(event.speaker)}
        nothing: dict[str, Any] = {"mode": "2pass-online", "is_final": False, "text": ""}
        if isinstance(event, PartFailed):
            failed = InferenceError(event.message or event.code)
            return {**nothing, "segment_text": "", "errors": [{"error": failed}]}
        complain(f"{self._key}: connected again: {event.reason}")
        return {**nothing, "segment_text": ""}


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _sentence(one: Segment) -> dict[str, Any]:
    said = {"text": one.text, "start": _ms(one.start), "end": _ms(one.end)}
    return said if one.speaker is None else said | {"spk": _number(one.speaker)}


def _number(speaker: str) -> int | str:
    """As models number speakers: OpenAI's API has letters, FunASR's protocol "spk0"."""
    if len(speaker) == 1 and "A" <= speaker <= "Z":
        return ord(speaker) - ord("A")
    digits = speaker.lower().removeprefix("spk")
    return int(digits) if digits.isascii() and digits.isdecimal() else speaker
