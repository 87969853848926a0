"""Who watches a live stream and its chunks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from safeasr._extension import _ext
from safeasr.observability.moments import Moments
from safeasr.observability.request_log import log_request
from safeasr.observability.tracing import shown_key, write_spans
from safeasr.observability.watches import Watch, Watched

__all__ = ["ChunkWatch", "StreamWatch"]

#: Has something called, now or later.
Later = Callable[[Callable[[], None]], object]


def _at_once(call: Callable[[], None]) -> None:
    call()


class _ChunkMoments(Moments):
    """Of one chunk: it waits for its turn, then the stream's models have it."""

    turn: float | None = None

    def stages(self) -> dict[str, float]:
        return {stage: end - start for stage, (start, end, _) in self.spans().items()}

    def spans(self) -> dict[str, tuple[float, float, dict[str, Any]]]:
        end = time.monotonic() if self.ended is None else self.ended
        if self.turn is None:
            return {"turn": (self.began, end, {})}
        return {"turn": (self.began, self.turn, {}), "work": (self.turn, end, {})}


class ChunkWatch(Watch):
    """Watches one chunk of a live stream."""

    _chunk = True
    _audio_s = 0.0
    _turn: float | None = None

    def __init__(self, observer: Watched, key: str | None, later: Later = _at_once) -> None:
        """It was given now.

        Args:
            observer: of the model.
            key: of the stream.
            later: takes what tells of it. Chunks end on threads that all streams share.
        """
        super().__init__(observer)
        self._key = key
        self._later = later

    def heard(self, audio_s: float) -> None:
        """It is so many seconds long."""
        self._audio_s = audio_s

    def __enter__(self) -> ChunkWatch:
        return self

    def __exit__(self, _: object, error: BaseException | None, trace: object) -> None:
        """What it could not be queued for is what it failed with."""
        if error is not None:
            self.failed(error)

    def has_turn(self) -> None:
        """Those before it in its stream are done."""
        self._turn = time.monotonic()
        self._observer.counters.turn(self._turn - self.began, self._audio_s)

    def answered(self) -> None:
        """It has its answer."""
        if self._end_answered():  # one that was cancelled meanwhile has no answer
            self._observer.counters.answer(self._audio_s)
            self._tell(None)

    def _tell_of(self, error: str | None, now: float) -> None:
        self._later(lambda: self._tell_now(error, now))

    def _tell_now(self, error: str | None, now: float) -> None:
        moments = _ChunkMoments(self._key)
        moments.began, moments.turn = self.began, self._turn
        moments.ended, moments.error = now, error
        observer = self._observer
        log_request(observer.model, "chunk", moments, observer.slow_s, now)
        if self._parent is None:
            return
        attributes = {"safeasr.model": observer.model, "safeasr.audio_s": self._audio_s}
        if self._key is not None:
            attributes["safeasr.key"] = shown_key(self._key)
        write_spans("safeasr.chunk", self._parent, self.began, now, error, attributes, [moments])


class StreamWatch:
    """Watches a live stream, which is open until it is closed or forgotten."""

    def __init__(self, observer: Watched, key: str | None) -> None:
        """It is about to be opened; ``key`` is its name in results."""
        self._observer = observer
        self._key = key
        self._open: _ext.OpenStream | None = None

    def opened(self) -> None:
        """It was opened."""
        self._open = _ext.OpenStream(self._observer.counters)

    def chunk(self, later: Later = _at_once) -> ChunkWatch:
        """A chunk was given; what it is refused for is raised within it.

        Args:
            later: as of :class:`ChunkWatch`.
        """
        return ChunkWatch(self._observer, self._key, later)

    def closed(self) -> None:
        """It was closed."""
        self._open = None
