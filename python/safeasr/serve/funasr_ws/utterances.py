"""Utterances of FunASR's websocket protocol: recordings, and those that nothing comes of."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

from safeasr.serve.funasr_ws.answers import error_message, text_message
from safeasr.serve.funasr_ws.configuration import Configuration
from safeasr.serve.problems import Problem
from safeasr.serve.service import Service
from safeasr.serve.shelf import Served
from safeasr.serve.sockets import Socket

__all__ = ["FIRST", "SECOND", "EmptyUtterance", "RecordedUtterance", "Utterance", "UtteranceBase"]

#: What messages of the two passes say of themselves, also where there is one pass only.
FIRST: Final = "2pass-online"
SECOND: Final = "2pass-offline"
#: What files begin with that FunASR's clients send as raw samples.
_FILES: Final = (b"RIFF", b"fLaC", b"OggS", b"ID3")


class Utterance(Protocol):
    """From the first sound to the last answer."""

    def __init__(self, service: Service, socket: Socket, configuration: Configuration) -> None:
        """Nothing was heard yet."""

    async def begin(self, model: str | None) -> None:
        """Get ready; raises what is in the way. It is to be abandoned then, too."""

    async def hear(self, data: bytes) -> None:
        """Take the next frame."""

    async def finish(self, acknowledge: bool) -> None:
        """Say all that is to be said, the last of it marked as final. Raises GoneError only."""

    async def abandon(self) -> None:
        """Nobody wants it any more."""

    async def tell_problem(self, error: BaseException) -> None:
        """Tell the client what went wrong with it."""


class UtteranceBase:
    """What all of them need."""

    def __init__(self, service: Service, socket: Socket, configuration: Configuration) -> None:
        """Nothing was heard yet."""
        self._service = service
        self._socket = socket
        self._configuration = configuration
        self._held = AsyncExitStack()

    async def _lease(self, model: str | None) -> Served:
        return await self._held.enter_async_context(self._service.shelf.lease(model))

    def _asked(self, served: Served) -> dict[str, Any]:
        """Options that the client asks for and the model knows."""
        asked = self._configuration
        words = None if asked.hotwords is None else list(asked.hotwords)
        options = served.asked(hotword=words, use_itn=asked.itn, language=asked.language)
        if served.has_speakers:
            by_itself = self._service.settings.speakers
            options["return_spk_res"] = by_itself if asked.speakers is None else asked.speakers
        return options

    async def tell_problem(self, error: BaseException) -> None:
        """Tell the client what went wrong, and the log what only that explains."""
        problem = self._service.problem(error, self._socket.number)
        configuration = self._configuration
        mode = "offline" if configuration.mode == "offline" else SECOND
        await self._socket.send(error_message(mode, configuration.wav_name, problem))


class EmptyUtterance(UtteranceBase):
    """Nothing was said, or what was said is lost: its last message comes all the same."""

    async def begin(self, model: str | None) -> None:
        """See :class:`Utterance`."""

    async def hear(self, data: bytes) -> None:
        """See :class:`Utterance`."""

    async def finish(self, acknowledge: bool) -> None:
        """See :class:`Utterance`."""
        modes = {"offline": "offline", "online": FIRST}
        mode = modes.get(self._configuration.mode, SECOND)
        name = self._configuration.wav_name
        await self._socket.send(text_message(mode, name, None, is_final=True, is_end=acknowledge))

    async def abandon(self) -> None:
        """See :class:`Utterance`."""


class RecordedUtterance(UtteranceBase):
    """Mode "offline": all of it is heard before it is recognised."""

    def __init__(self, service: Service, socket: Socket, configuration: Configuration) -> None:
        """Nothing was heard yet."""
        super().__init__(service, socket, configuration)
        self._spool = service.spools.spool()
        self._served: Served | None = None
        self._head = b""

    async def begin(self, model: str | None) -> None:
        """See :class:`Utterance`."""
        self._held.enter_context(self._service.gate.utterance())
        self._served = await self._lease(model)
        if not self._served.recordings:
            raise Problem(400, "the model takes no recordings", "mode_unavailable")

    async def hear(self, data: bytes) -> None:
        """See :class:`Utterance`."""
        if len(self._head) < 4:
            self._head += data[:4]
        await self._spool.write(data)

    async def finish(self, acknowledge: bool) -> None:
        """See :class:`Utterance`."""
        result = None
        try:
            try:
                result = await self._recognised()
            except Exception as error:
                await self.tell_problem(error)
            if result is not None and result.get("errors"):
                failed = len(result["errors"])
                what = f"{failed} parts of it could not be recognised"
                await self.tell_problem(Problem(500, what, "partly_failed"))
            name = self._configuration.wav_name
            await self._socket.send(
                text_message("offline", name, result, is_final=True, is_end=acknowledge)
            )
        finally:
            await self.abandon()

    async def _recognised(self) -> dict[str, Any] | None:
        served, limits = self._served, self._service.settings.limits
        assert served is not None
        form, size = self._configuration.wav_format, self._spool.size
        raw = form in ("pcm", "wav") and not self._head.startswith(_FILES)
        if size == 0 or (raw and size == 1):
            return None
        options = self._asked(served)
        options["max_audio_seconds"] = limits.max_audio_s
        if served.takes("output_timestamp"):
            options["output_timestamp"] = True
        if served.has_sentences and served.has_marks:
            options["sentence_timestamp"] = True
        if raw:
            options |= {"fs": self._configuration.rate, "data_type": "pcm"}
        with self._service.gate.request(self._socket.client):
            (result,) = await served.model.agenerate(
                self._spool.samples() if raw else self._spool.whole(),
                key=self._configuration.wav_name,
                timeout=limits.request_s,
                **options,
            )
        return result

    async def abandon(self) -> None:
        """See :class:`Utterance`."""
        self._spool.close()
        await self._held.aclose()
