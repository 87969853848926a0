"""What one client says live: samples in, events out, no faster than the model takes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.calls.future import Future
from safeasr.serve.problems import Problem
from safeasr.serve.shelf import Served
from safeasr.stream.stream import Stream

__all__ = ["Chunk", "Speech", "stream_mode"]

#: Chunks that may wait for the model before nothing more is read from the client.
_AHEAD: Final = 16
#: What arrives at once is taken in pieces of at most so much, so that texts come meanwhile.
_PIECE_S: Final = 3.0


def stream_mode(served: Served, asked: str) -> str:
    """The mode of a stream that serves a client's.

    Args:
        served: the model.
        asked: "2pass", "online" or "offline".

    Raises:
        Problem: the model can do nothing of that kind.
    """
    if asked in served.modes:
        return asked
    if asked == "2pass":
        for instead in ("online", "offline"):
            if instead in served.modes:
                return instead
    raise Problem(
        400, f"model {served.name!r} serves no live sessions of mode {asked!r}", "mode_unavailable"
    )


@dataclass
class Chunk:
    """What a piece of audio gave.

    Attributes:
        events: as of ``AutoModel.stream``; of a streaming model its result dicts that say
            something.
        is_last: the utterance is over.
        error: what the piece failed with; the stream goes on without it.
        begun_ms: when the utterance began, in ms of all that was heard; times in events count from
            there.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    is_last: bool = False
    error: Exception | None = None
    begun_ms: int = 0


class Speech:
    """A live stream of one client, utterance after utterance. Belongs to one event loop."""

    def __init__(
        self,
        served: Served,
        *,
        mode: str,
        rate: int,
        options: Mapping[str, Any],
        key: str,
        step_ms: int,
        max_audio_s: float,
    ) -> None:
        """Open the stream.

        Args:
            served: the model; the caller has a lease on it.
            mode: as of :func:`stream_mode`.
            rate: of the samples, in Hz.
            options: of ``AutoModel.stream``.
            key: the client's name for it, in logs.
            step_ms: samples are collected until there are so many.
            max_audio_s: the longest utterance.

        Raises:
            SafeASRError: if an option makes no sense, or the model is full.
        """
        self.served = served
        self._stream: Stream = served.model.stream(mode=mode, fs=rate, key=key, **options)
        self._rate = rate
        self._step = max(1, rate * step_ms // 1000)
        self._most = int(max_audio_s * rate)
        self._heard = 0
        self._before = 0
        self._kept: list[NDArray[np.int16]] = []
        self._kept_samples = 0
        self._chunks: asyncio.Queue[tuple[Future[Any], bool, int]] = asyncio.Queue(_AHEAD)

    async def hear(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples (n,); waits while the model is behind.

        Raises:
            Problem: the utterance is too long.
        """
        self._heard += len(samples)
        if self._heard > self._most:
            limit = self._most / self._rate
            raise Problem(413, f"an utterance may last {limit:g} s", "audio_too_long")
        piece = int(_PIECE_S * self._rate)
        for at in range(0, len(samples), piece):
            part = samples[at : at + piece]
            self._kept.append(part)
            self._kept_samples += len(part)
            if self._kept_samples >= self._step:
                await self._submit(False)

    async def end(self) -> None:
        """That was all of the utterance; the next samples begin another."""
        await self._submit(True)
        self._before += self._heard
        self._heard = 0

    async def _submit(self, is_last: bool) -> None:
        samples = np.concatenate(self._kept) if self._kept else np.zeros(0, np.int16)
        self._kept, self._kept_samples = [], 0
        begun_ms = self._before * 1000 // self._rate
        await self._chunks.put((self._stream.submit(samples, is_last), is_last, begun_ms))

    async def chunks(self) -> AsyncIterator[Chunk]:
        """What the pieces gave, in order, until that of the last one of the utterance."""
        is_last = False
        while not is_last:
            future, is_last, begun_ms = await self._chunks.get()
            await future.settled()
            try:
                found = future.result()
            except Exception as error:
                yield Chunk([], is_last, error, begun_ms)
                continue
            events = found if isinstance(found, list) else [found]
            said = [one for one in events if one.get("text")]
            yield Chunk(said, is_last, begun_ms=begun_ms)

    def close(self) -> None:
        """Take back what waits."""
        self._stream.close()
