"""Utterances of FunASR's websocket protocol that are spoken live."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from safeasr.serve.funasr_ws.answers import text_message
from safeasr.serve.funasr_ws.configuration import Configuration
from safeasr.serve.funasr_ws.utterances import FIRST, SECOND, UtteranceBase
from safeasr.serve.live.added import Added
from safeasr.serve.live.pcm import PcmFrames
from safeasr.serve.live.speech import Chunk, Speech, stream_mode
from safeasr.serve.problems import Problem
from safeasr.serve.service import Service
from safeasr.serve.shelf import Served
from safeasr.serve.sockets import FAILED, LEFT, GoneError, Socket
from safeasr.text.sentences import joint

__all__ = ["LiveUtterance"]


class LiveUtterance(UtteranceBase):
    """Modes "2pass" and "online": text while it is heard."""

    def __init__(self, service: Service, socket: Socket, configuration: Configuration) -> None:
        """Nothing was heard yet."""
        super().__init__(service, socket, configuration)
        self._frames = PcmFrames(configuration.rate)
        self._served: Served | None = None
        self._speech: Speech | None = None
        self._telling: asyncio.Task[None] | None = None
        self._added = Added()
        #: Whether a segment of the first pass alone has ended: clients append the next one to it.
        self._paused = False
        self._acknowledge = False

    async def begin(self, model: str | None) -> None:
        """See :class:`Utterance`."""
        self._held.enter_context(self._service.gate.utterance())
        if self._configuration.wav_format not in ("pcm", "wav"):
            raise Problem(400, "live audio must be raw samples (wav_format pcm)", "invalid_audio")
        self._served = await self._lease(model)
        stream_mode(self._served, self._configuration.mode)

    def _opened(self) -> Speech:
        """The stream; opened with the first samples, for a header may tell their rate."""
        if self._speech is not None:
            return self._speech
        asked, served, settings = self._configuration, self._served, self._service.settings
        assert served is not None
        mode = stream_mode(served, asked.mode)
        options: dict[str, Any] = self._asked(served)
        if mode != "offline" and asked.chunk_size is not None:
            options["chunk_size"] = list(asked.chunk_size)
            looks = {
                "encoder_chunk_look_back": asked.encoder_look_back,
                "decoder_chunk_look_back": asked.decoder_look_back,
            }
            options |= {name: look for name, look in looks.items() if look is not None}
        if mode == "online" and served.has_marks and served.has_sentences:
            options["return_raw_text"] = True  # marks would come too late
        if mode != "online" and served.takes("pred_timestamp"):
            options["pred_timestamp"] = True
        self._speech = Speech(
            served,
            mode=mode,
            rate=self._frames.rate,
            options=options,
            key=asked.wav_name,
            step_ms=settings.step_ms,
            max_audio_s=settings.limits.max_audio_s,
        )
        self._telling = asyncio.ensure_future(self._tell_all(self._speech))
        return self._speech

    async def hear(self, data: bytes) -> None:
        """See :class:`Utterance`."""
        samples = self._frames.take(data)
        if len(samples):
            await self._opened().hear(samples)

    async def finish(self, acknowledge: bool) -> None:
        """See :class:`Utterance`."""
        self._acknowledge = acknowledge
        try:
            rest = self._frames.rest()
            if len(rest):
                await self._opened().hear(rest)
            if self._speech is None or self._telling is None:  # nothing was heard
                await self._end(None)
                return
            await self._speech.end()
            await self._telling
        except (GoneError, asyncio.CancelledError):
            raise
        except Exception as error:
            await self.tell_problem(error)
            await self._end(None)
        finally:
            await self.abandon()

    async def _tell_all(self, speech: Speech) -> None:
        """Raises nothing: whoever hands over more would wait for ever, so the connection ends."""
        try:
            async for chunk in speech.chunks():
                await self._tell(chunk)
        except GoneError:
            self._socket.break_off(*LEFT)
        except Exception:
            self._service.log.exception("%s: answers failed", self._socket.number)
            self._socket.break_off(FAILED, "the server failed")

    async def _tell(self, chunk: Chunk) -> None:
        """All of a chunk's messages; of the last chunk the last one is final."""
        if chunk.error is not None:
            await self.tell_problem(chunk.error)
        messages = [found for event in chunk.events if (found := self._message(event))]
        last = messages.pop() if chunk.is_last and messages else None
        for mode, event in messages:
            await self._send(mode, event, is_final=False)
        if chunk.is_last:
            await self._end(last)

    async def _end(self, last: tuple[str, Mapping[str, Any] | None] | None) -> None:
        mode, event = last or (SECOND if self._has_second_pass() else FIRST, None)
        await self._send(mode, event, is_final=True)

    def _has_second_pass(self) -> bool:
        assert self._served is not None
        return stream_mode(self._served, self._configuration.mode) != "online"

    def _message(self, event: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
        """The mode and what is said of an event; None: nothing."""
        if event.get("mode") == SECOND:
            self._added.end()
            return SECOND, event
        text = self._added.of(event)
        if text and self._paused:
            text = joint(text[0], text) + text
            self._paused = False
        if event.get("is_final"):  # a segment of the first pass alone
            self._added.end()
            self._paused = True
            # Without a text, too: nobody could tell otherwise what need not be said again.
            return FIRST, {**event, "text": text}
        return (FIRST, {"text": text}) if text else None

    async def _send(self, mode: str, event: Mapping[str, Any] | None, *, is_final: bool) -> None:
        name, is_end = self._configuration.wav_name, is_final and self._acknowledge
        await self._socket.send(text_message(mode, name, event, is_final=is_final, is_end=is_end))

    async def abandon(self) -> None:
        """See :class:`Utterance`."""
        telling, self._telling = self._telling, None
        if telling is not None and not telling.done():
            telling.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await telling
        if self._speech is not None:
            self._speech.close()
        await self._held.aclose()
