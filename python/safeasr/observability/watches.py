"""Who watches one call, chunk or stream of a model: counts it, and tells of it if anybody listens.

Counting is all that most calls cost: some relaxed atomics of the extension, which nobody waits for.
Moments are kept, and the engine's asked for, only where a limit for slow requests is set, somebody
reads the log of failed ones, or the program has set up OpenTelemetry.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from safeasr._extension import _ext
from safeasr.errors import CancelledError
from safeasr.observability.moments import InputMoments, Moments
from safeasr.observability.request_log import log_request, wants_failures
from safeasr.observability.tracing import here, tracer, write_spans
from safeasr.printable import printable

__all__ = ["CallWatch", "ChunkWatch", "StreamWatch", "Watched"]

#: How something ended, as the extension counts it.
_ANSWERED: Final = 0
_FAILED: Final = 1
_CANCELLED: Final = 2


class Watched:
    """What those who watch know of the model.

    Attributes:
        model: its name, for people.
        slow_s: a request that takes longer is logged; None: none is.
        counters: what became of calls so far.
    """

    def __init__(self, model: str, slow_s: float | None) -> None:
        """Nothing has happened yet."""
        self.model = printable(model)
        self.slow_s = slow_s
        self.counters = _ext.CallCounters()

    def wants_moments(self) -> bool:
        """Whether anybody will ask when the stages of a request began and ended."""
        return self.slow_s is not None or tracer() is not None or wants_failures()


class _Watch:
    """What calls and chunks have in common: they end once, in one of three ways.

    One that is forgotten before anybody said how it ended was cancelled.
    """

    # What most of them never set lies here: each attribute costs every call some nanoseconds.
    _chunk = False
    _wanted = False
    _parent: Any = None

    def __init__(self, observer: Watched) -> None:
        self._observer = observer
        if observer.wants_moments():
            self._wanted = True
            self._parent = here() if tracer() is not None else None
        self.began = time.monotonic()
        observer.counters.begin(self._chunk)
        self._under_way = [None]  # whoever takes it ends it: a list gives an entry once

    def __del__(self) -> None:
        """Count it if nobody has."""
        try:
            if self._under_way:
                self._end(_CANCELLED)
        except Exception:  # it was never made, or the interpreter ends
            return

    def _end(self, outcome: int) -> bool:
        """Count that it has ended; False if it had before."""
        try:
            self._under_way.pop()
        except IndexError:
            return False
        self._observer.counters.end(self._chunk, outcome, time.monotonic() - self.began)
        return True

    def answered(self) -> None:
        """It has its answer."""
        if self._end(_ANSWERED) and self._wanted:
            self._tell(None)

    def failed(self, error: BaseException) -> None:
        """It ended with an error. Ctrl-C, a task that was cancelled and the like are no errors."""
        if isinstance(error, CancelledError) or not isinstance(error, Exception):
            self.cancelled()
        elif self._end(_FAILED):
            self._observer.counters.error(type(error).__name__)
            if self._wanted:
                self._tell(error)

    def cancelled(self) -> None:
        """Nobody wants it any more."""
        self._end(_CANCELLED)

    def _tell(self, error: BaseException | None) -> None:
        # Whoever logs or exports may fail in any way; the call has its answer all the same.
        with suppress(Exception):
            self._tell_of(None if error is None else type(error).__name__, time.monotonic())

    def _tell_of(self, error: str | None, now: float) -> None:
        raise NotImplementedError


class CallWatch(_Watch):
    """Watches one call."""

    _record: _ext.CallRecord | None = None  # of one that goes on by itself

    def __init__(self, observer: Watched, what: str) -> None:
        """It begins now; ``what`` is the method."""
        super().__init__(observer)
        self._what = what
        self._waiting: dict[int, InputMoments] = {}
        self._inputs: list[InputMoments] = []

    def input(self, index: int, key: str) -> InputMoments:
        """One of its inputs is about to be read."""
        moments = self._waiting[index] = InputMoments(self._observer.counters, key)
        if self._wanted:
            moments.meter = _ext.Meter()
            self._inputs.append(moments)
        return moments

    def taken(self, index: int) -> InputMoments | None:
        """The moments of an input whose result is taken; None if it was taken before."""
        return self._waiting.pop(index, None)

    def kept(self, error: BaseException) -> None:
        """An input's error stands among the results."""
        if self._record is None:  # otherwise its ticket has told
            self._observer.counters.error(type(error).__name__)

    def follow(self, tickets: Sequence[_ext.Ticket], errors_are_results: bool) -> None:
        """It ends when these have finished, whether or not anybody takes the results.

        Args:
            tickets: of its inputs.
            errors_are_results: a call with failed inputs is answered.
        """
        record = self._record = _ext.CallRecord(self._observer.counters, self.began)
        self._under_way.clear()
        record.follow(list(tickets), errors_are_results)

    def collected(self, tickets: Sequence[_ext.Ticket], error: BaseException | None) -> None:
        """Somebody has taken the results of a call that follows its tickets, or its error."""
        if self._record is None:
            return
        self._record.settle(list(tickets))
        wanted, self._wanted = self._wanted, False  # told once
        if wanted and not isinstance(error, CancelledError):
            self._tell(error)

    def _tell_of(self, error: str | None, now: float) -> None:
        observer = self._observer
        if error is not None:
            for one in self._inputs:  # those that nobody looked at any more end with the call
                if one.ended is None:
                    one.error = error
        untold = error is not None and all(one.error is None for one in self._inputs)
        told: list[Moments] = [*self._inputs]
        if untold:
            whole = Moments(None)
            whole.began, whole.error = self.began, error
            told.append(whole)
        for moments in told:
            log_request(observer.model, "request", moments, observer.slow_s, now)
        if self._parent is None:
            return
        attributes = {
            "safeasr.model": observer.model,
            "safeasr.call": self._what,
            "safeasr.inputs": len(self._inputs),
            "safeasr.audio_s": sum(one.audio_s for one in self._inputs),
        }
        if len(self._inputs) == 1:
            attributes["safeasr.key"] = self._inputs[0].key
        write_spans(
            "safeasr.generate", self._parent, self.began, now, error, attributes, self._inputs
        )


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


class ChunkWatch(_Watch):
    """Watches one chunk of a live stream."""

    _chunk = True
    _audio_s = 0.0
    _turn: float | None = None

    def __init__(self, observer: Watched, key: str | None) -> None:
        """It was given now; ``key`` is the stream's."""
        super().__init__(observer)
        self._key = key

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
        self._observer.counters.answer(self._audio_s)
        super().answered()

    def _tell_of(self, error: str | None, now: float) -> None:
        moments = _ChunkMoments(self._key)
        moments.began, moments.turn = self.began, self._turn
        moments.ended, moments.error = now, error
        observer = self._observer
        log_request(observer.model, "chunk", moments, observer.slow_s, now)
        if self._parent is None:
            return
        attributes = {"safeasr.model": observer.model, "safeasr.audio_s": self._audio_s}
        if self._key is not None:
            attributes["safeasr.key"] = self._key
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

    def chunk(self) -> ChunkWatch:
        """A chunk was given; what it is refused for is raised within it."""
        return ChunkWatch(self._observer, self._key)

    def closed(self) -> None:
        """It was closed."""
        self._open = None
