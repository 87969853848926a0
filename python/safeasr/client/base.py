"""What both clients have in common: how they are made, and what they are asked for."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from safeasr.client.live.options import Mode, live_options
from safeasr.client.requests import Request, TextFormat, recording
from safeasr.client.settings import settings_of

if TYPE_CHECKING:
    from safeasr.client.live.session import AsyncSession

__all__ = ["BaseClient"]


class BaseClient:
    """Of :class:`safeasr.client.Client` and :class:`safeasr.client.AsyncClient`."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        model: str | None = None,
        timeout: float = 600.0,
        retry_s: float = 30.0,
        verify: bool | ssl.SSLContext = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: of the server, such as "http://127.0.0.1:8000" or "ws://127.0.0.1:10095".
            api_key: one of the server's, if it wants any.
            model: the name of one of the server's models; None: its own choice.
            timeout: how long to wait for an answer, in seconds.
            retry_s: for how long to try again where that may help, in seconds; 0: never.
            verify: False: certificates go unchecked; or rules for them.
            headers: that are sent beside others.

        Raises:
            OptionError: something of it makes no sense.
        """
        self._settings = settings_of(
            url,
            api_key,
            model=model,
            timeout=timeout,
            retry_s=retry_s,
            verify=verify,
            headers=headers,
        )
        self._begin()

    def _begin(self) -> None:
        """Make what sends requests."""
        raise NotImplementedError

    def _recording(
        self,
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
        return recording(
            audio,
            model=model or self._settings.model,
            fs=fs,
            language=language,
            hotwords=hotwords,
            words=words,
            speakers=speakers,
            format=format,
            stream=stream,
        )

    def _live(
        self,
        *,
        mode: Mode,
        fs: int,
        hotwords: str | Sequence[str] | None,
        language: str | None,
        itn: bool | None,
        speakers: bool | None,
        model: str | None,
        reconnect_s: float,
        keep_s: float,
        options: Mapping[str, Any] | None,
    ) -> AsyncSession:
        from safeasr.client.live.opening import open_session  # needs the websockets package

        asked = live_options(
            mode=mode,
            fs=fs,
            hotwords=hotwords,
            language=language,
            itn=itn,
            speakers=speakers,
            reconnect_s=reconnect_s,
            keep_s=keep_s,
            options=options,
        )
        return open_session(self._settings, model, asked)
