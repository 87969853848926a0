"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from safeasr.client.answers import ServedModel, Transcript, models_of, transcript_of
from safeasr.client.base import BaseClient
from safeasr.client.live.options import Mode
from safeasr.client.requests import Request, TextFormat
from safeasr.client.sending import AsyncSender

if TYPE_CHECKING:
    from safeasr.client.live.session import AsyncSession

__all__ = ["AsyncClient"]


class AsyncClient(BaseClient):
    """:class:`safeasr.client.Client` for asyncio; for any tasks of one event loop."""

    def _begin(self) -> None:
        self._sender = AsyncSender(self._settings)

    @overload
    async def transcribe(
        self,
        audio: Any,
        *,
        language: str | None = None,
        hotwords: str | Sequence[str] | None = None,
        words: bool = False,
        speakers: bool = False,
        format: None = None,
        fs: int | None = None,
        model: str | None = None,
    ) -> Transcript: ...

    @overload
    async def transcribe(
        self,
        audio: Any,
        *,
        language: str | None = None,
        hotwords: str | Sequence[str] | None = None,
        words: bool = False,
        speakers: bool = False,
        format: TextFormat,
        fs: int | None = None,
        model: str | None = None,
    ) -> str: ...

    async def transcribe(
        self,
        audio: Any,
        *,
        language: str | None = None,
        hotwords: str | Sequence[str] | None = None,
        words: bool = False,
        speakers: bool = False,
        format: TextFormat | None = None,
        fs: int | None = None,
        model: str | None = None,
    ) -> Transcript | str:
        """What was said in a recording; see :meth:`safeasr.client.Client.transcribe`."""
        request = self._recording(
            audio,
            model=model,
            fs=fs,
            language=language,
            hotwords=hotwords,
            words=words,
            speakers=speakers,
            format=format,
        )
        response = await self._sender.answer(request)
        return transcript_of(response.content) if format is None else response.text

    def transcribe_iter(
        self,
        audio: Any,
        *,
        language: str | None = None,
        hotwords: str | Sequence[str] | None = None,
        fs: int | None = None,
        model: str | None = None,
    ) -> AsyncIterator[str]:
        """Its text by sentences; see :meth:`safeasr.client.Client.transcribe_iter`."""
        request = self._recording(
            audio, model=model, fs=fs, language=language, hotwords=hotwords, stream=True
        )
        return self._sender.sentences(request)

    async def models(self) -> list[ServedModel]:
        """The server's models; see :meth:`safeasr.client.Client.models`."""
        response = await self._sender.answer(Request("GET", "/v1/models"))
        return models_of(response.content)

    def live(
        self,
        *,
        mode: Mode = "2pass",
        fs: int = 16000,
        hotwords: str | Sequence[str] | None = None,
        language: str | None = None,
        itn: bool | None = None,
        speakers: bool | None = None,
        model: str | None = None,
        reconnect_s: float = 60.0,
        keep_s: float = 120.0,
        options: Mapping[str, Any] | None = None,
    ) -> AsyncSession:
        """A live session, for ``async with``; see :meth:`safeasr.client.Client.live`."""
        return self._live(
            mode=mode,
            fs=fs,
            hotwords=hotwords,
            language=language,
            itn=itn,
            speakers=speakers,
            model=model,
            reconnect_s=reconnect_s,
            keep_s=keep_s,
            options=options,
        )

    async def close(self) -> None:
        """End all connections; sessions have their own and go on."""
        await self._sender.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
