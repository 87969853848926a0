"""Servers with OpenAI's ``POST /v1/audio/transcriptions``: a recording a request."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import numpy as np

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.targets.audio_bytes import OncePerClip, wav
from safeasr.bench.targets.base import Answer, OnEvent, Options, Session, TargetError
from safeasr.bench.targets.failures import (
    BadAnswerError,
    DisconnectedError,
    RequestError,
    TimedOutError,
    refusal_or_failure,
)
from safeasr.bench.targets.metrics import MetricsPage
from safeasr.bench.targets.tls import certificate_error, tls
from safeasr.printable import printable

__all__ = ["OpenAIHttp"]

PATH = "/v1/audio/transcriptions"
#: What OpenAI's clients ask for, and most servers take for their only model.
DEFAULT_MODEL = "whisper-1"
#: Statuses with which a server says that it does not know `verbose_json`.
NOT_SO = frozenset({400, 404, 415, 422, 501})
#: Formats that are taken as they come, if a clip's options ask for them.
PLAIN = frozenset({"text", "srt", "vtt"})
#: How long an idle connection is used again, in s: less than servers keep theirs, since a request
#: on one that is just being closed fails through no fault of the server.
KEEP_S = 2.0


class OpenAIHttp:
    """A server with OpenAI's HTTP interface.

    Its answers' `times` are (start, end) of words in ms if it gives any, else of segments. Bodies
    are made once for each clip. Each request under way has a connection of its own, kept for the
    next one.
    """

    remote = True

    def __init__(self, url: str, options: Options) -> None:
        """Of a server.

        Args:
            url: with or without ``/v1`` or ``/v1/audio/transcriptions``.
            options: `model`, `timeout_s`, `headers` and `insecure` of these.

        Raises:
            ValueError: it is no address.
        """
        self.name = url
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is not an address such as http://127.0.0.1:8000")
        base = parts.path.rstrip("/")
        for end in (PATH, "/audio/transcriptions", "/v1"):
            base = base.removesuffix(end)
        self._base = urlunsplit((parts.scheme, parts.netloc, base, "", ""))
        self._options = options
        self._model = options.model or DEFAULT_MODEL
        self._format = "verbose_json"
        self._boundary = uuid.uuid4().hex
        self._bodies = OncePerClip(self._body)
        self._metrics = MetricsPage(url, options)
        self._context = tls(options.insecure)
        #: Each with one connection at most. One client for all would look through all of its
        #: connections at each request, which costs more than the requests.
        self._idle: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []

    async def open(self) -> dict[str, Any]:
        """Look whether the server is there, has the model, and gives times (`verbose_json`).

        Raises:
            TargetError: nothing answers, or not to us.
        """
        about: dict[str, Any] = {"protocol": "OpenAI HTTP", "url": self._base + PATH}
        try:
            models = await self._ask("GET", "/v1/models")
        except RequestError as error:
            raise TargetError(f"{self._base}: {error}") from error
        if "server" in models.headers:
            about["server"] = printable(models.headers["server"])
        if models.status_code in (401, 403):
            raise TargetError(f"{self._base} wants other credentials: {_message(models)}")
        if (names := _model_names(models)) is not None:
            about["models"] = names[:20]
            if self._options.model is None and len(names) == 1:
                self._model = names[0]
            elif self._options.model not in (None, *names):
                about["note"] = f"the server does not list the model {self._options.model}"
        about["model"] = self._model
        try:
            about |= await self._probe()
        except RequestError as error:
            raise TargetError(f"{self._base}{PATH}: {error}") from error
        about |= await self._metrics.open()
        return about

    async def _probe(self) -> dict[str, Any]:
        """A short silence: is it understood, and how does it answer?"""
        silence = Clip("probe", np.zeros(SAMPLE_RATE, np.float32))
        self._format = "verbose_json"
        began = time.monotonic()
        answer = await self._post(silence)
        if answer.status_code in NOT_SO:
            self._format = "json"
            # Of some servers it is the silence that they do not like.
            second = await self._post(Clip("probe", silence.samples))
            if second.status_code == httpx.codes.OK:
                answer = second
            else:
                self._format = "verbose_json"
        if answer.status_code in (401, 403, 404, 405):
            raise TargetError(f"{self._base}{PATH}: HTTP {answer.status_code} {_message(answer)}")
        found: dict[str, Any] = {"response_format": self._format}
        if answer.status_code == httpx.codes.OK:
            found["first_answer_ms"] = round(1000 * (time.monotonic() - began))
        else:
            found["first_answer"] = f"HTTP {answer.status_code} {_message(answer)}"
        return found

    async def transcribe(self, clip: Clip) -> Answer:
        """Recognise one clip; see :class:`Target`.

        Raises:
            RefusedError: HTTP 429 or 503.
            RequestError: "HTTP 500" and so on, "timeout", "cannot connect", "disconnected".
            BadAnswerError: a success without a text.
        """
        response = await self._post(clip)
        if response.status_code != httpx.codes.OK:
            raise refusal_or_failure(
                response.status_code, _message(response), response.headers.get("Retry-After")
            )
        if clip.options.get("response_format") in PLAIN:
            return Answer(response.text.strip())
        try:
            said = json.loads(response.content)
        except ValueError as error:
            raise BadAnswerError("bad answer", f"no JSON: {response.text}") from error
        text = said.get("text") if isinstance(said, dict) else said
        if not isinstance(text, str):
            raise BadAnswerError("bad answer", f"no text: {response.text}")
        return Answer(text.strip(), _times(said) if isinstance(said, dict) else ())

    async def _post(self, clip: Clip) -> httpx.Response:
        head, tail = self._bodies(clip)
        return await self._ask("POST", PATH, head + self._format_field(clip) + tail)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        """One request, on a connection that nobody else uses meanwhile."""
        if self._idle:
            transport = self._idle.pop()
        else:
            transport = httpx.AsyncHTTPTransport(
                verify=self._context,
                limits=httpx.Limits(max_connections=1, keepalive_expiry=KEEP_S),
                trust_env=False,
            )
            self._all.append(transport)
        headers = {"Accept": "*/*", "User-Agent": "safeasr-bench", **self._options.headers}
        if body is not None:
            headers["Content-Type"] = f"multipart/form-data; boundary={self._boundary}"
        limits = httpx.Timeout(self._options.timeout_s).as_dict()
        request = httpx.Request(
            method, self._base + path, headers=headers, content=body, extensions={"timeout": limits}
        )
        try:
            response = await transport.handle_async_request(request)
            try:
                await response.aread()
            finally:
                await response.aclose()
        except httpx.TimeoutException as error:
            raise TimedOutError(
                "timeout", f"{type(error).__name__} of {limits['read']:g} s"
            ) from error
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error):
                raise certificate_error(error) from error
            raise RequestError("cannot connect", error) from error
        except httpx.HTTPError as error:
            raise DisconnectedError("disconnected", f"{type(error).__name__} {error}") from error
        finally:
            self._idle.append(transport)
        return response

    def _body(self, clip: Clip) -> tuple[bytes, bytes]:
        """All of a request but for `response_format`: what goes before it, and after."""
        fields: dict[str, Any] = {"model": self._model, **clip.options}
        fields.pop("response_format", None)
        head = b"".join(
            self._field(name, text) for name, value in fields.items() for text in _texts(value)
        )
        name = clip.filename.translate({ord(c): "_" for c in '"\\\r\n'})
        data = wav(clip.samples) if clip.encoded is None else clip.encoded
        tail = (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        ).encode() + b"".join((data, f"\r\n--{self._boundary}--\r\n".encode()))
        return head, tail

    def _format_field(self, clip: Clip) -> bytes:
        return self._field("response_format", clip.options.get("response_format", self._format))

    def _field(self, name: str, value: str) -> bytes:
        name = name.translate({ord(c): "_" for c in '"\\\r\n'})
        head = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"'
        return f"{head}\r\n\r\n{value}\r\n".encode()

    async def session(self, clip: Clip, on_event: OnEvent) -> Session:
        """There are none.

        Raises:
            TargetError: always; says what to use.
        """
        raise TargetError(
            f"{self.name} takes whole recordings; live sessions need ws://HOST (FunASR's protocol) "
            "or ws://HOST/v1/realtime (OpenAI's)"
        )

    async def stats(self) -> dict[str, float]:
        """What `/metrics` says."""
        return await self._metrics.read()

    async def close(self) -> None:
        """End all connections."""
        await self._metrics.close()
        for transport in self._all:
            await transport.aclose()
        self._idle, self._all = [], []


def _texts(value: Any) -> Iterator[str]:
    """An option as form fields: lists as several, dicts as JSON, None not at all."""
    for one in value if isinstance(value, (list, tuple)) else [value]:
        if isinstance(one, bool):
            yield "true" if one else "false"
        elif isinstance(one, dict):
            yield json.dumps(one, ensure_ascii=False)
        elif one is not None:
            yield str(one)


def _message(response: httpx.Response) -> str:
    """The words of an error, wherever they stand."""
    try:
        said = json.loads(response.content)
    except ValueError:
        return printable(response.text)
    if isinstance(said, dict):
        said = said.get("error", said.get("detail", said.get("message", said)))
    if isinstance(said, dict):
        said = said.get("message", said)
    return printable(said)


def _model_names(response: httpx.Response) -> list[str] | None:
    try:
        return [printable(one["id"], 100) for one in json.loads(response.content)["data"]]
    except (ValueError, TypeError, KeyError):
        return None


def _times(said: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    """(start, end) in ms of words, wherever they stand, or else of segments."""
    segments = [one for one in said.get("segments") or () if isinstance(one, dict)]
    words = said.get("words") or [word for one in segments for word in one.get("words") or ()]
    try:
        return tuple(
            (round(1000 * float(one["start"])), round(1000 * float(one["end"])))
            for one in words or segments
        )
    except (TypeError, KeyError, ValueError) as error:
        raise BadAnswerError("bad answer", f"times that are none: {error!r}") from error
