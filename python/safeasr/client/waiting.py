"""The client for programs that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from safeasr.client.answers import ServedModel, Transcript, models_of, transcript_of
from safeasr.client.base import BaseClient
from safeasr.client.live.options import Mode
from safeasr.client.live.waiting import Session
from safeasr.client.requests import Request, TextFormat
from safeasr.client.sending import Sender

__all__ = ["Client"]


class Client(BaseClient):
    """A client of ``safeasr serve``, and of other servers with OpenAI's or FunASR's protocols.

    Any number of threads may use it; it may be made before a fork and used after it. It keeps
    connections for the next requests; ``close``, or leaving its ``with``, ends them.

    Requests that the server has no room for (429, 503), and those whose connection breaks, are sent
    again, after the time that the server says (Retry-After) or after longer and longer pauses. What
    is wrong with a request is raised at once.
    """

    def _begin(self) -> None:
        self._sender = Sender(self._settings)

    @overload
    def transcribe(
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
    def transcribe(
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

    def transcribe(
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
        """What was said in a recording.

        Args:
            audio: a path; the contents of a file, as bytes or a binary file object; or samples
                (n,) of one channel, int16 or floats in [-1, 1].
            language: "zh", "en", ...; None: as the model does.
            hotwords: words to look out for: with spaces between, or a list.
            words: whether to tell the times of words.
            speakers: whether to tell who says what.
            format: None: a :class:`Transcript`; "text", "srt" or "vtt": a str in that form.
            fs: rate of samples in Hz, by default 16,000; bytes are raw 16-bit samples if it is
                given.
            model: instead of the client's.

        Raises:
            AudioError: the audio cannot be sent.
            BadRequestError: the server refuses the audio or an option.
            UnauthorizedError: it wants another key.
            ServerBusyError: it had no room for all of ``retry_s``.
            ServerUnreachableError: there is no connection.
            ServerTimeoutError: no answer came within ``timeout``.
            ServerError: anything else that a server should not do.
        """
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
        response = self._sender.answer(request)
        return transcript_of(response.content) if format is None else response.text

    def transcribe_iter(
        self,
        audio: Any,
        *,
        language: str | None = None,
        hotwords: str | Sequence[str] | None = None,
        fs: int | None = None,
        model: str | None = None,
    ) -> Iterator[str]:
        """The text of a recording sentence by sentence, while the server is at work on the rest.

        If the connection breaks, the recording is sent again, and what was said is not said twice.

        Args:
            audio: as of :meth:`transcribe`, like all others.
            language: likewise.
            hotwords: likewise.
            fs: likewise.
            model: likewise.

        Returns:
            Pieces of the text; joined they are all of it: spaces between them are included.

        Raises:
            SafeASRError: as :meth:`transcribe`; those of servers while one iterates.
        """
        request = self._recording(
            audio, model=model, fs=fs, language=language, hotwords=hotwords, stream=True
        )
        return self._sender.sentences(request)

    def models(self) -> list[ServedModel]:
        """The server's models; the first one is its own choice. Raises as :meth:`transcribe`."""
        return models_of(self._sender.answer(Request("GET", "/v1/models")).content)

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
    ) -> Session:
        """A live session, to be opened by ``with``: audio in, text out; see :class:`Session`.

        Args:
            mode: "2pass": text at once, better text when a sentence has ended; "online": text at
                once only; "offline": text only at the end.
            fs: rate of the samples in Hz.
            hotwords: words to look out for: with spaces between, or a list.
            language: "zh", "en", ...; None: as the model does.
            itn: whether numbers are written as digits; None: as the server does.
            speakers: whether the server says who speaks; None: as it does by itself.
            model: instead of the client's.
            reconnect_s: for how long to try to get a lost connection back, in seconds.
            keep_s: so much audio of a sentence that has not ended is kept to be sent again, in
                seconds, and so much may wait while there is no connection.
            options: more fields of the protocol's first message, such as "chunk_size".

        Raises:
            OptionError: something of it makes no sense.
            ClientUnavailableError: the websockets package is missing.
        """
        session = self._live(
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
        return Session(session)

    def close(self) -> None:
        """End all connections; sessions have their own and go on."""
        self._sender.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
