"""Live sessions on an event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from safeasr.client.answers import Segment, Transcript, joined
from safeasr.client.audio import as_pcm
from safeasr.client.live.channel import Channel
from safeasr.client.live.conversation import Conversation
from safeasr.client.live.events import Event, Final, PartFailed, Reconnected
from safeasr.client.live.kept import KeptAudio
from safeasr.client.live.options import LiveOptions
from safeasr.client.retries import Retries
from safeasr.printable import printable
from safeasr.server_errors import ServerError, ServerTimeoutError

__all__ = ["AsyncSession"]

#: With this a server ends sessions in which nothing happens, or that are open for too long.
_POLICY = "1008"
_LONGEST_PAUSE_S = 2.0


class AsyncSession:
    """A live session: audio in, text out, as long as its ``async with`` lasts.

    If the connection is lost (the server restarts, or the replica behind a balancer is gone), the
    session connects again, to the same address. It keeps the audio since the last finished sentence
    and sends it again, so that at most the open sentence is said anew; times go on as if nothing
    had happened, and a :class:`~safeasr.client.Reconnected` says that something has.

    Send in one task and iterate in another, or call ``ready`` in between. Iteration ends when all
    was said after ``finish``. Belongs to one event loop.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Channel]],
        options: LiveOptions,
        *,
        timeout: float,
        retries: Callable[[], Retries],
    ) -> None:
        """Connect to nothing yet.

        Args:
            connect: makes a connection.
            options: see there.
            timeout: how long the server may be silent after the end, in seconds.
            retries: of the first connection.
        """
        self._connect = connect
        self._options = options
        self._timeout = timeout
        self._first_retries = retries
        self._audio = KeptAudio(options.fs, options.keep_s)
        self._events: deque[Event] = deque()
        self._finals: list[Final] = []
        self._failed_parts = 0
        self._told = asyncio.Event()
        self._needed = asyncio.Event()
        self._room = asyncio.Event()
        self._conversation: Conversation | None = None
        self._running: asyncio.Task[None] | None = None
        self._first_samples = 0
        self._finished = False
        self._over = False
        self._failure: ServerError | None = None

    async def __aenter__(self) -> AsyncSession:
        retries = self._first_retries()
        while True:
            try:
                channel = await self._connect()
                break
            except ServerError as error:
                failed = error
            await asyncio.sleep(retries.pause(failed))
        self._running = asyncio.ensure_future(self._run(channel))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, samples: Any) -> None:
        """Hand over more audio; waits while too much of it waits to be sent.

        Args:
            samples: (n,) of one channel, int16 or floats in [-1, 1]; or bytes of 16-bit PCM. At the
                session's rate; n is any number.

        Raises:
            AudioError: they are no samples.
            ServerError: the session is lost; the class says why.
            RuntimeError: the session is finished, or not open.
        """
        pcm = as_pcm(samples)
        self._first_samples = self._first_samples or len(pcm) // 2
        step = 2 * self._options.fs
        for at in range(0, len(pcm), step):
            self._require_open()
            while self._audio.full:
                self._room.clear()
                await self._room.wait()
                self._require_open()
            self._audio.add(pcm[at : at + step])
            self._go_on()
        # Whoever sends a file at once must let the others have their turn.
        await asyncio.sleep(0)

    async def finish(self) -> None:
        """Say that this was all. Iterate on for the rest. Raises as :meth:`send`."""
        self._require_open()
        self._finished = True
        self._go_on()

    def ready(self) -> list[Event]:
        """The events that have come by now, without waiting; each is told once."""
        found = list(self._events)
        self._events.clear()
        return found

    async def transcript(self) -> Transcript:
        """All sentences of the session, once all was said after ``finish``.

        Raises:
            ServerError: the session is lost; the class says why.
        """
        while not self._over:
            self._told.clear()
            await self._told.wait()
        if self._failure is not None:
            raise self._failure
        text = ""
        for final in self._finals:
            text = joined(text, final.text)
        segments = tuple(
            Segment(one.text, one.start, one.end, one.speaker)
            for one in self._finals
            if one.start is not None and one.end is not None
        )
        duration = self._audio.end / self._options.fs
        return Transcript(text, segments, duration=duration, failed_parts=self._failed_parts)

    def __aiter__(self) -> AsyncSession:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._failure is not None:
                raise self._failure
            if self._over:
                raise StopAsyncIteration
            self._told.clear()
            await self._told.wait()
        return self._events.popleft()

    async def close(self) -> None:
        """Hang up; what was not said by now is not said any more."""
        self._over = True
        self._told.set()
        self._room.set()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._finished or self._over or self._running is None:
            raise RuntimeError("the session is finished, or not open")

    def _go_on(self) -> None:
        self._needed.set()
        if self._conversation is not None:
            self._conversation.more(ends=self._finished)

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        if isinstance(event, Final):
            self._finals.append(event)
        self._failed_parts += isinstance(event, PartFailed)
        self._told.set()

    async def _run(self, channel: Channel) -> None:
        """Until all was said: one connection after the other."""
        retries: Retries | None = None
        last: ServerError | None = None
        try:
            while True:
                conversation = self._begin(channel)
                try:
                    await conversation.until_over()
                    return
                except ServerTimeoutError:
                    raise
                except ServerError as error:
                    lost = error
                finally:
                    self._conversation = None
                    await channel.close()
                if conversation.worked or retries is None:
                    retries, last = self._retries(), None
                if last is not None and type(lost) is ServerError and last.code == lost.code:
                    raise lost  # the same failure twice: not of this connection alone
                last = lost
                channel = await self._again(lost, retries, conversation)
        except ServerError as error:
            self._failure = error
        except Exception as error:  # a fault of this client's own must not look like an end
            self._failure = ServerError(f"the session failed: {printable(repr(error))}")
            self._failure.__cause__ = error
        finally:
            self._over = True
            self._told.set()
            self._room.set()

    def _begin(self, channel: Channel) -> Conversation:
        conversation = self._conversation = Conversation(
            channel,
            self._audio,
            mode=self._options.mode,
            fs=self._options.fs,
            timeout=self._timeout,
            configure=lambda samples: self._options.first_message(self._first_samples or samples),
            tell=self._tell,
            room=self._room,
        )
        conversation.more(ends=self._finished)
        return conversation

    def _retries(self) -> Retries:
        """Somebody is speaking meanwhile: the pauses are short."""
        limit, longest = self._options.reconnect_s, _LONGEST_PAUSE_S
        return Retries(limit, reached=True, patient=True, longest_s=longest)

    async def _again(
        self, lost: ServerError, retries: Retries, conversation: Conversation
    ) -> Channel:
        """Another connection than that of a conversation.

        Raises:
            ServerError: it is no use to try any longer.
        """
        reason = str(lost)
        if lost.code == _POLICY:
            # Nothing was said for long. Until something is, nobody needs a connection.
            while not (self._audio.new or self._finished):
                self._needed.clear()
                await self._needed.wait()
        while True:
            await asyncio.sleep(retries.pause(lost))
            try:
                channel = await self._connect()
            except ServerError as error:
                lost = error
                continue
            resent, lost_samples = self._audio.rewind()
            if lost_samples and (text := conversation.understood(self._audio.begin)):
                self._tell(Final(text))  # nobody will say it again
            fs = self._options.fs
            self._tell(Reconnected(reason, round(resent / fs, 3), round(lost_samples / fs, 3)))
            return channel
