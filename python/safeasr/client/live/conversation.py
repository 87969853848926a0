"""What is said on one connection, until it ends or is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from safeasr.client.failures import error_of_code
from safeasr.client.live.channel import Channel
from safeasr.client.live.events import Event, PartFailed, Partial
from safeasr.client.live.events import Final as FinalEvent
from safeasr.client.live.kept import KeptAudio
from safeasr.client.live.protocol import END, Ending, Said, read
from safeasr.server_errors import (
    BadRequestError,
    ServerBusyError,
    ServerTimeoutError,
    ServerUnreachableError,
)

__all__ = ["Conversation"]

#: Of audio that waits, so many seconds are a message.
_PIECE_S: Final = 0.6
#: The server confirms what it was sent each time after so much audio; no more than twice as much is
#: under way, for what is under way when a connection breaks must still be kept.
_CONFIRM_S: Final = 8.0
#: In silence it is asked whether it is there after so long.
_ASK_S: Final = 20.0
#: How often one looks whether the server is about to close.
_LOOK_S: Final = 1.0
#: A server that neither says, takes nor confirms anything for so long is gone: its machine, or the
#: way to it.
_GONE_S: Final = 60.0
_USEFUL_S: Final = 10.0
#: After an error of this kind the server takes no more of the utterance, whatever it says.
_ENDS_ALL: Final = (ServerBusyError, BadRequestError)


class Conversation:
    """One connection of a session. Belongs to one event loop."""

    def __init__(
        self,
        channel: Channel,
        audio: KeptAudio,
        *,
        mode: str,
        fs: int,
        timeout: float,
        configure: Callable[[int], str],
        tell: Callable[[Event], None],
        room: asyncio.Event,
    ) -> None:
        """All that is kept of the audio is to be sent.

        Args:
            channel: the connection.
            audio: of the session.
            mode: see there.
            fs: rate in Hz.
            timeout: how long the server may be silent after the end, in seconds.
            configure: the first message, for first pieces of so many samples.
            tell: takes events.
            room: is set when there may be room for more audio.
        """
        self._channel = channel
        self._audio = audio
        self._fs = fs
        self._timeout = timeout
        self._configure = configure
        self._tell = tell
        self._base = audio.begin
        self._ending = Ending(mode)
        self._open = ""
        #: How much audio had been sent, and how long the open text was, at each piece of it.
        self._places: list[tuple[int, int]] = []
        self._loop = asyncio.get_running_loop()
        #: When the server last said something, or the client that it has said all.
        self._last = self._loop.time()
        self._began = self._last
        #: Since when the server has been waited for to take or confirm something; None: it is not.
        self._waits_since: float | None = None
        self._more = asyncio.Event()
        self._room = room
        self._ends = False
        self._has_ended = False

    @property
    def worked(self) -> bool:
        """Whether the connection was of use: a sentence has ended, or it held for a while.

        A server that fails in the middle of a sentence would otherwise be asked for it for ever.
        """
        return self._audio.begin > self._base or self._loop.time() - self._began > _USEFUL_S

    def understood(self, place: int) -> str:
        """What was said of the open sentence up to a place in the audio.

        Servers do not tell where a word was said: what was told when the place had been sent may
        go on behind it, but hardly any word before it is missing.
        """
        length = next((length for sent, length in self._places if sent > place), len(self._open))
        return self._open[:length].strip()

    def more(self, *, ends: bool) -> None:
        """There is more audio; `ends`: and that is all."""
        self._ends |= ends
        self._more.set()

    async def until_over(self) -> None:
        """Speak and listen until the server has said all.

        Raises:
            ServerError: the connection is lost, or the server cannot go on; the class says why.
        """
        speaking = asyncio.ensure_future(self._speak())
        listening = asyncio.ensure_future(self._listen())
        try:
            await asyncio.wait({speaking, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not listening.done():
                # The one that speaks never ends by itself: it failed. The reason may be on its way.
                await asyncio.wait({listening}, timeout=1.0)
            (listening if listening.done() else speaking).result()
        finally:
            for task in (speaking, listening):
                task.cancel()
            await asyncio.gather(speaking, listening, return_exceptions=True)
        if self._open:  # no second pass came
            self._tell(FinalEvent(self._open.strip()))

    # -- Speaking ---------------------------------------------------------------------------------

    async def _speak(self) -> None:
        confirmed: asyncio.Future[float] | None = None
        piece_samples, unconfirmed = max(1, int(_PIECE_S * self._fs)), 0
        configured = False
        while True:
            self._more.clear()
            piece = self._audio.take(piece_samples)
            self._room.set()
            if not configured and (piece or self._ends):
                await self._send(self._configure(len(piece) // 2))
                configured = True
            if piece:
                await self._send(piece)
                unconfirmed += len(piece) // 2
                if unconfirmed < _CONFIRM_S * self._fs:
                    continue
            elif self._ends and not self._has_ended:
                # Before it is sent: its answer may be there before `send` returns.
                self._has_ended = True
                self._last = self._loop.time()
                self._ending.ended()
                await self._send(END)
                continue
            elif await self._has_more():
                continue
            if confirmed is not None:
                self._waits_since = self._loop.time()
                await asyncio.wait({confirmed})
                self._waits_since = None
            confirmed = await self._channel.confirm()
            unconfirmed = 0

    async def _send(self, message: str | bytes) -> None:
        self._waits_since = self._loop.time()
        await self._channel.send(message)
        self._waits_since = None

    async def _has_more(self) -> bool:
        """Wait until there is more to say; False: there was nothing for long."""
        # Not `wait_for`, which before Python 3.12 may swallow that it is cancelled.
        timer = self._loop.call_later(_ASK_S, self._more.set)
        try:
            await self._more.wait()
        finally:
            timer.cancel()
        return self._loop.time() < timer.when()

    # -- Listening --------------------------------------------------------------------------------

    async def _listen(self) -> None:
        receiving = asyncio.ensure_future(self._channel.receive())
        try:
            while (patience := self._ending.patience(self._loop.time())) != 0.0:
                wait = min(self._time_left(), _LOOK_S if patience is None else patience)
                done, _ = await asyncio.wait({receiving}, timeout=wait)
                if not done:
                    await self._look()
                    continue
                message = self._received(receiving)
                if message is None:
                    return
                receiving = asyncio.ensure_future(self._channel.receive())
                self._hear(read(message))
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def _look(self) -> None:
        """Nothing has come. Raises a ServerUnreachableError if nothing ever will."""
        if self._channel.closing:
            await self._channel.close()
        since = self._waits_since
        if since is not None and self._loop.time() - max(since, self._last) > _GONE_S:
            raise ServerUnreachableError(f"the server has not moved for {_GONE_S:g} s")

    def _time_left(self) -> float:
        """Raises a ServerTimeoutError once the server was silent for too long after the end."""
        if not self._has_ended:
            return _LOOK_S
        left = self._last + self._timeout - self._loop.time()
        if left <= 0:
            raise ServerTimeoutError(
                f"the server's last answer did not come in {self._timeout:g} s"
            )
        return left

    def _received(self, receiving: asyncio.Task[str | bytes]) -> str | bytes | None:
        """A message; None: the server has closed, and all was said."""
        try:
            return receiving.result()
        except ServerUnreachableError:
            if self._ending.plausible:
                return None
            raise

    def _hear(self, said: Said) -> None:
        self._last = self._loop.time()
        self._ending.heard(said, self._last)
        if said.partial:
            self._understand(said)
        elif said.text:
            self._finish(said, said.text)
        if said.error is not None:
            error = error_of_code(*said.error)
            if isinstance(error, _ENDS_ALL) or (said.is_final and not said.text):
                raise error
            self._tell(PartFailed(*said.error))

    def _understand(self, said: Said) -> None:
        """A piece of the first pass, and perhaps the last one of a segment that has no second."""
        if said.text:
            self._open += said.text
            self._places.append((self._audio.sent, len(self._open)))
            start, end = self._seconds(said.start), self._seconds(said.end)
            self._tell(Partial(self._open.strip(), said.text, start, end))
        if said.ended:
            self._finish(said, self._open)

    def _finish(self, said: Said, text: str) -> None:
        if said.end is not None:
            self._audio.finish(self._base + said.end * self._fs // 1000)
        self._open = ""
        self._places.clear()
        start, end = self._seconds(said.start), self._seconds(said.end)
        if text.strip():
            self._tell(FinalEvent(text.strip(), start, end, said.speaker))

    def _seconds(self, ms: int | None) -> float | None:
        """In the whole session."""
        return None if ms is None else round(self._base / self._fs + ms / 1000, 3)
