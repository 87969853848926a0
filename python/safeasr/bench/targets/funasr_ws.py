"""Servers with FunASR's websocket protocol: its C++ and Python servers, and safeasr's."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.targets.audio_bytes import OncePerClip, pcm16
from safeasr.bench.targets.base import (
    Answer,
    Event,
    OnEvent,
    Options,
    RefusedError,
    TargetError,
)
from safeasr.bench.targets.channel import Channel
from safeasr.bench.targets.failures import BadAnswerError, RequestError, server_error
from safeasr.bench.targets.funasr_ending import STYLES, Ending, Style
from safeasr.bench.targets.metrics import MetricsPage
from safeasr.bench.targets.tls import tls
from safeasr.printable import printable

__all__ = ["FunasrSession", "FunasrWs"]

#: Of a recording, so many samples are a message: a step of the streaming model.
PIECE = 9600
#: As in FunASR's clients: 600 ms, of which the Python server makes steps by counting messages.
CHUNK_SIZE = (5, 10, 5)
END = '{"is_speaking": false, "is_end": true}'
MODES = ("offline", "online", "2pass")


class FunasrWs:
    """A server with FunASR's websocket protocol.

    Recordings are sent in mode "offline", live sessions in `Options.mode`. Each has a connection of
    its own, so that a recording's latency includes the handshake, as it does for FunASR's clients.
    """

    remote = True

    def __init__(self, url: str, options: Options) -> None:
        """Of a server.

        Args:
            url: ``ws://host:10095`` or ``wss://...``; any path.
            options: `mode`, `timeout_s`, `headers` and `insecure` of these.

        Raises:
            ValueError: it is no address, or no such mode.
        """
        self.name = url
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url} is not an address such as ws://127.0.0.1:10095")
        if options.mode not in MODES:
            raise ValueError(f"mode {options.mode!r} is none of {', '.join(MODES)}")
        self.options = options
        self.styles: dict[str, Style] = dict.fromkeys(MODES, "unknown")
        self._context = tls(options.insecure) if parts.scheme == "wss" else None
        self._metrics = MetricsPage(url, options)
        self._pcm = OncePerClip(lambda clip: pcm16(clip.samples))

    async def open(self) -> dict[str, Any]:
        """Say a second of silence to the server, which shows how it ends an utterance.

        Raises:
            TargetError: it is not there, refuses, or speaks another protocol.
        """
        about: dict[str, Any] = {"protocol": "FunASR websocket", "mode": self.options.mode}
        modes = list(dict.fromkeys(("offline", self.options.mode)))
        for mode, found in zip(modes, await asyncio.gather(*map(self._probe, modes)), strict=True):
            about |= {f"{name}, {mode}": what for name, what in found.items()}
        return about | await self._metrics.open()

    async def _probe(self, mode: str) -> dict[str, Any]:
        silence = Clip("probe", np.zeros(SAMPLE_RATE, np.float32))
        began = time.monotonic()
        try:
            session = await self._connect(silence, lambda _: None, mode)
            answer = await self._say(session, silence)
        except (RequestError, RefusedError) as error:
            raise TargetError(f"{self.name}, mode {mode}: {error}") from error
        self.styles[mode] = session.ending.style_shown()
        about = {"end of an utterance": STYLES[self.styles[mode]]}
        if "server" in session.channel.headers:
            about["server"] = printable(session.channel.headers["server"])
        about["first answer"] = f"{1000 * ((answer.done or began) - began):.0f} ms"
        return about

    async def transcribe(self, clip: Clip) -> Answer:
        """Send a clip as fast as the server takes it and wait for its last message.

        Raises:
            RefusedError: the server is full: HTTP 429 or 503, close code 1013, or an error that
                says so.
            RequestError: "timeout", "cannot connect", "closed 1006", the code of an error, ...
            BadAnswerError: a message that is none of the protocol's.
        """
        return await self._say(await self._connect(clip, lambda _: None, "offline"), clip)

    async def _say(self, session: FunasrSession, clip: Clip) -> Answer:
        pcm = memoryview(self._pcm(clip))
        try:
            for start in range(0, max(1, len(pcm)), 2 * PIECE):
                piece = pcm[start : start + 2 * PIECE]
                await session.send_pcm(piece, start + 2 * PIECE >= len(pcm))
            return await session.answer()
        finally:
            await session.abandon()

    async def session(self, clip: Clip, on_event: OnEvent) -> FunasrSession:
        """Begin a live session in `Options.mode`.

        Raises:
            RefusedError: the server is full.
            RequestError: no connection.
        """
        return await self._connect(clip, on_event, self.options.mode)

    async def _connect(self, clip: Clip, on_event: OnEvent, mode: str) -> FunasrSession:
        session = FunasrSession(self, clip, on_event, mode)
        # FunASR's Python server may refuse who does not offer this.
        session.channel = await Channel.open(
            self.name, session.heard, self.options, self._context, subprotocol="binary"
        )
        return session

    def pcm_within(self, clip: Clip, samples: NDArray[np.float32]) -> memoryview | None:
        """The 16-bit samples of a slice of a clip, made once for all that say it; else None."""
        whole = clip.samples
        if samples.base is not whole and samples.base is not whole.base:
            return None
        if not (whole.flags.c_contiguous and samples.flags.c_contiguous and len(samples)):
            return None
        start: int = samples.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        first = start // whole.itemsize
        if samples.dtype != whole.dtype or first < 0 or first + len(samples) > len(whole):
            return None
        return memoryview(self._pcm(clip))[2 * first : 2 * (first + len(samples))]

    async def stats(self) -> dict[str, float]:
        """What `/metrics` on the same port says."""
        return await self._metrics.read()

    async def close(self) -> None:
        """Nothing is left open but for `/metrics`."""
        await self._metrics.close()


class FunasrSession:
    """One utterance on a connection of its own.

    Pieces of the first pass are "partial", sentences of the second "second", and of mode offline
    "final". The text of the answer is that of all sentences, in mode online of all pieces; its
    times are (start, end) in ms of words, or of sentences where a server gives only those.
    """

    channel: Channel

    def __init__(self, target: FunasrWs, clip: Clip, on_event: OnEvent, mode: str) -> None:
        self.ending = Ending(target.styles[mode])
        self._target = target
        self._clip = clip
        self._on_event = on_event
        self._mode = mode
        self._configured = False
        self._texts: list[str] = []
        self._times: list[tuple[int, int]] = []

    def heard(self, message: str | bytes, at: float) -> None:
        """A message has come. Raises what ends the session."""
        try:
            said = json.loads(message)
            text = said.get("text", "")
            mode = said.get("mode", "")
        except (ValueError, AttributeError) as error:
            raise BadAnswerError("bad answer", f"no JSON object: {message!r}") from error
        if said.get("error"):
            raise server_error(said["error"])
        if not isinstance(text, str) or not isinstance(mode, str):
            raise BadAnswerError("bad answer", f"text or mode are none: {message!r}")
        if "event" in said and not mode:
            raise BadAnswerError("other protocol", "this is FunASR's realtime server")
        self.ending.heard(said, at)
        partial = mode.endswith("online")
        if text or not said.get("is_end"):
            kind: Literal["partial", "second", "final"] = "partial" if partial else "final"
            if mode == "2pass-offline" and self._mode == "2pass":
                kind = "second"
            self._on_event(Event(kind, text, at))
        if partial == (self._mode == "online") and text:
            self._texts.append(text)
            self._times += _times(said)
        if self.ending.patience(at) is not None:
            self.channel.news.set()

    async def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Hand over samples (n,); see :class:`Session`."""
        pcm = self._target.pcm_within(self._clip, samples)
        await self.send_pcm(pcm16(samples) if pcm is None else pcm, last)

    async def send_pcm(self, pcm: bytes | memoryview, last: bool) -> None:
        """The same with 16-bit samples."""
        if not self._configured:
            self._configured = True
            await self.channel.send(self._configuration(len(pcm)))
        if len(pcm):
            await self.channel.send_audio(pcm)
        if last:
            # Before it is sent: its answer may be there before `send` returns.
            self.ending.ended(time.monotonic())
            await self.channel.send(END)

    def _configuration(self, message_bytes: int) -> str:
        """The first message; the Python server works once in `chunk_interval` messages."""
        options = dict(self._clip.options)
        hotwords = options.pop("hotwords", None) or options.pop("hotword", None) or ""
        if isinstance(hotwords, dict):
            hotwords = json.dumps(hotwords, ensure_ascii=False)
        elif not isinstance(hotwords, str):
            hotwords = " ".join(hotwords)
        said = {
            "mode": self._mode,
            "chunk_size": CHUNK_SIZE,
            "chunk_interval": max(1, round(2 * PIECE / max(message_bytes, 1))),
            "encoder_chunk_look_back": 4,
            "decoder_chunk_look_back": 0,
            "wav_name": self._clip.name,
            "wav_format": "pcm",
            "audio_fs": SAMPLE_RATE,
            "is_speaking": True,
            "hotwords": hotwords,
            "itn": True,
        }
        return json.dumps(said | options, ensure_ascii=False)

    def _patience(self) -> float | None:
        patience = self.ending.patience(time.monotonic())
        # A server that hangs up after its last answer says clearly that it was the last.
        unsure = self.ending.style in ("quiet", "unknown")
        return 0.0 if self.channel.closed and unsure else patience

    async def answer(self) -> Answer:
        """All that was said; `done` is when the last message came."""
        await self.channel.wait(self._patience, self._target.options.timeout_s)
        if self.ending.style == "quiet" and self.ending.style_shown() == "acknowledged":
            self._target.styles[self._mode] = "acknowledged"
        await self.channel.close()
        text = "".join(self._texts) if self._mode == "online" else _joined(self._texts)
        return Answer(text.strip(), tuple(self._times), self.ending.finals(), done=self.ending.done)

    async def abandon(self) -> None:
        """Hang up."""
        self.channel.abandon()


def _joined(texts: list[str]) -> str:
    """Sentences one after another; between words of alphabets, a blank."""
    whole = ""
    for before, text in itertools.pairwise(["", *texts]):
        blank = before[-1:].isascii() and text[:1].isascii() and text[:1].isalnum()
        whole += " " + text if before and blank and not before[-1].isspace() else text
    return whole


def _times(said: dict[str, Any]) -> list[tuple[int, int]]:
    """(start, end) in ms of words, or else of sentences.

    `timestamp` is a list, the same as a string of JSON, or (C++ 2pass) only a time of day.
    """
    stamps = said.get("timestamp")
    try:
        if isinstance(stamps, str):
            stamps = json.loads(stamps) if stamps else None
        if isinstance(stamps, list) and stamps:
            return [(round(start), round(end)) for start, end, *_ in stamps]
        sentences = said.get("stamp_sents")
        if not isinstance(sentences, list):
            return []
        return [(round(one["start"]), round(one["end"])) for one in sentences]
    except (ValueError, TypeError, KeyError) as error:
        raise BadAnswerError("bad answer", f"times that are none: {said!r}") from error
