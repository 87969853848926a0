"""Servers with OpenAI's realtime transcription: ``ws://HOST/v1/realtime``."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.targets.audio_bytes import OncePerClip, pcm16
from safeasr.bench.targets.base import Answer, Event, OnEvent, Options, RefusedError, TargetError
from safeasr.bench.targets.channel import Channel
from safeasr.bench.targets.failures import BadAnswerError, RequestError, server_error
from safeasr.bench.targets.metrics import MetricsPage
from safeasr.bench.targets.tls import tls
from safeasr.printable import printable
from safeasr.resampling import StreamResampler

__all__ = ["OpenAIRealtime", "RealtimeSession"]

#: The only rate of PCM that the protocol has, in Hz.
RATE = 24000
#: Of a recording, so many samples (16 kHz) are a message.
PIECE = 16000
DEFAULT_MODEL = "gpt-4o-transcribe"
COMMIT = '{"type": "input_audio_buffer.commit", "event_id": "last"}'
#: Options of a clip that are the transcription's; `hotword` goes by the protocol's name.
TRANSCRIPTION = {
    "language": "language",
    "prompt": "prompt",
    "keywords": "keywords",
    "hotwords": "keywords",
    "hotword": "keywords",
}
ITEM = "conversation.item.input_audio_transcription."
BUFFER = "input_audio_buffer."


class OpenAIRealtime:
    """A server with OpenAI's realtime transcription sessions (not vLLM's, which differ).

    The server does not look for pauses: all of a session is one item, committed at its end. With
    the option ``turn_detection`` of a clip ("server_vad", or the protocol's object) it does.
    """

    remote = True

    def __init__(self, url: str, options: Options) -> None:
        """Of a server.

        Args:
            url: ``ws://host/v1/realtime``, with a query if the server wants one.
            options: `model`, `timeout_s`, `headers` and `insecure` of these.

        Raises:
            ValueError: it is no address.
        """
        self.name = url
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url} is not an address such as ws://127.0.0.1:8000/v1/realtime")
        query = {"intent": "transcription", **dict(parse_qsl(parts.query))}
        self._url = urlunsplit(parts._replace(query=urlencode(query)))
        self.options = options
        self._context = tls(options.insecure) if parts.scheme == "wss" else None
        self._metrics = MetricsPage(url, options)
        self._messages = OncePerClip(lambda clip: list(_messages(clip.samples)))

    async def open(self) -> dict[str, Any]:
        """Begin a session and let it go.

        Raises:
            TargetError: the server is not there, refuses, or does not begin one.
        """
        about: dict[str, Any] = {
            "protocol": "OpenAI realtime",
            "url": self._url,
            "model": self.options.model or DEFAULT_MODEL,
        }
        began = time.monotonic()
        try:
            session = await self.session(Clip("probe", np.zeros(0, np.float32)), lambda _: None)
            try:
                await session.channel.wait(session.begun, self.options.timeout_s)
            finally:
                await session.abandon()
        except (RequestError, RefusedError) as error:
            raise TargetError(f"{self.name}: {error}") from error
        if "server" in session.channel.headers:
            about["server"] = printable(session.channel.headers["server"])
        about["session_ms"] = round(1000 * (time.monotonic() - began))
        return about | await self._metrics.open()

    async def transcribe(self, clip: Clip) -> Answer:
        """Send a clip as fast as the server takes it and wait for its transcript.

        Raises:
            RefusedError: the server is full.
            RequestError: "timeout", "cannot connect", "closed 1006", the code of an error, ...
            BadAnswerError: a message that is none of the protocol's.
        """
        session = await self.session(clip, lambda _: None)
        try:
            messages = self._messages(clip)
            for number, message in enumerate(messages):
                await session.send_message(message, number == len(messages) - 1)
            return await session.answer()
        finally:
            await session.abandon()

    async def session(self, clip: Clip, on_event: OnEvent) -> RealtimeSession:
        """Begin a live session.

        Raises:
            RefusedError: the server is full.
            RequestError: no connection.
        """
        session = RealtimeSession(clip, on_event, self.options)
        session.channel = await Channel.open(self._url, session.heard, self.options, self._context)
        await session.channel.send(session.update(self.options.model or DEFAULT_MODEL))
        return session

    async def stats(self) -> dict[str, float]:
        """What `/metrics` on the same port says."""
        return await self._metrics.read()

    async def close(self) -> None:
        """Nothing is left open but for `/metrics`."""
        await self._metrics.close()


class RealtimeSession:
    """One connection. Deltas are "partial", completed transcripts "final"."""

    channel: Channel

    def __init__(self, clip: Clip, on_event: OnEvent, options: Options) -> None:
        self._clip = clip
        self._on_event = on_event
        self._options = options
        self._resample = StreamResampler(SAMPLE_RATE, RATE)
        self._turns: Any = clip.options.get("turn_detection")
        self._updated = False
        self._committed_last = False
        #: Those that the server's detector ended, which announces them; ours it does not.
        self._of_detector: set[str] = set()
        #: Transcripts of committed items, in their order; None: to come.
        self._items: dict[str, str | None] = {}
        self._doubles = 0
        self._empty = True
        self._done: float | None = None

    def update(self, model: str) -> str:
        """The first message."""
        transcription: dict[str, Any] = {"model": model}
        for name, value in self._clip.options.items():
            if name in TRANSCRIPTION:
                transcription[TRANSCRIPTION[name]] = value
        if isinstance(words := transcription.get("keywords"), str):
            transcription["keywords"] = words.split()
        turns = {"type": self._turns} if isinstance(self._turns, str) else self._turns
        heard = {
            "format": {"type": "audio/pcm", "rate": RATE},
            "transcription": transcription,
            "turn_detection": turns,
        }
        session = {"type": "transcription", "audio": {"input": heard}}
        return json.dumps({"type": "session.update", "session": session}, ensure_ascii=False)

    def begun(self) -> float | None:
        """For `Channel.wait`: whether the server has taken the first message."""
        return 0.0 if self._updated else None

    def heard(self, message: str | bytes, at: float) -> None:
        """A message has come. Raises what ends the session."""
        try:
            said = json.loads(message)
            kind: str = said["type"]
            if kind.startswith(ITEM):
                self._transcribed(kind[len(ITEM) :], said, at)
            elif kind == BUFFER + "speech_stopped":
                self._of_detector.add(said["item_id"])
            elif kind == BUFFER + "committed":
                self._items.setdefault(said["item_id"], None)
                self._committed_last |= said["item_id"] not in self._of_detector
            elif kind in ("session.updated", "transcription_session.updated"):
                self._updated = True
            elif kind == "error":
                self._error(said["error"])
            else:
                return
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadAnswerError("bad answer", f"{error!r} in {message!r}") from error
        self.channel.news.set()

    def _transcribed(self, kind: str, said: dict[str, Any], at: float) -> None:
        if kind == "delta":
            self._on_event(Event("partial", said["delta"] or "", at))
        elif kind == "completed":
            item: str = said["item_id"]
            self._doubles += self._items.get(item) is not None
            self._items[item] = said["transcript"].strip()
            self._on_event(Event("final", said["transcript"], at))
            if not self._doubles:
                self._done = at
        elif kind == "failed":
            raise server_error(said["error"])

    def _error(self, error: dict[str, Any]) -> None:
        if error.get("code") == "input_audio_buffer_commit_empty" and self._turns is not None:
            # The detector has ended the last item already.
            self._committed_last = True
            self._done = self._done or time.monotonic()
            return
        raise server_error(error)

    async def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Hand over samples (n,), 16 kHz; see :class:`Session`."""
        await self.send_message(_append(self._resample(samples, last)), last)

    async def send_message(self, message: str, last: bool) -> None:
        """The same with what :func:`_append` made of samples; "" for none."""
        if message:
            self._empty = False
            await self.channel.send(message)
        if last and not self._empty:
            await self.channel.send(COMMIT)

    def _over(self) -> float | None:
        said = self._committed_last and None not in self._items.values()
        return 0.0 if said or self._empty else None

    async def answer(self) -> Answer:
        """All that was said; `done` is when the last transcript came."""
        await self.channel.wait(self._over, self._options.timeout_s)
        await self.channel.close()
        text = " ".join(filter(None, self._items.values()))
        return Answer(text, finals=1 + self._doubles, done=self._done)

    async def abandon(self) -> None:
        """Hang up."""
        self.channel.abandon()


def _append(samples: NDArray[np.float32]) -> str:
    """The message with samples (n,), 24 kHz."""
    if not len(samples):
        return ""
    audio = base64.b64encode(pcm16(samples)).decode("ascii")
    return '{"type": "input_audio_buffer.append", "audio": "' + audio + '"}'


def _messages(samples: NDArray[np.float32]) -> Iterator[str]:
    """A recording (n,), 16 kHz, as messages; at least one, which may be ""."""
    resample = StreamResampler(SAMPLE_RATE, RATE)
    for start in range(0, max(1, len(samples)), PIECE):
        last = start + PIECE >= len(samples)
        yield _append(resample(samples[start : start + PIECE], last))
