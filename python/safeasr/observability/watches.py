"""Who watches one call of a model: counts it, and tells of it if anybody listens.

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
from safeasr.observability.tracing import here, shown_key, tracer, write_spans
from safeasr.printable import printable

__all__ = ["CallWatch", "Watch", "Watched"]

#: How something ended, as the extension counts it.
_ANSWERED: Final = 0
_FAILED: Final = 1
_CANCELLED: Final = 2
#: What stands for the error of one that nobody wants any more.
_CANCELLED_ERROR: Final = CancelledError.__name__


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


class Watch:
    """What calls and chunks have in common: they end once, in one of three ways.

    One that is forgotten before anybody said how it ended was cancelled.
    """

    # What most of them never set lies here: each attribute costs every call some nanoseconds.
    _chunk = False
    _wanted = False
    _untold: list[None] | None = None  # if wanted: whoever takes its entry tells
    _parent: Any = None

    def __init__(self, observer: Watched) -> None:
        """It begins now; ``observer`` is the model's."""
        self._observer = observer
        if observer.wants_moments():
            self._wanted, self._untold = True, [None]
            self._parent = here() if tracer() is not None else None
        self.began = time.monotonic()
        observer.counters.begin(self._chunk)
        self._under_way = [None]  # whoever takes it ends it: a list gives an entry once

    def __del__(self) -> None:
        """Count it if nobody has. Nobody is told: this may be any thread, within anything."""
        try:
            self.forgotten()
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
        if self._end_answered():
            self._tell(None)

    def _end_answered(self) -> bool:
        return self._end(_ANSWERED)

    def failed(self, error: BaseException) -> None:
        """It ended with an error. Ctrl-C, a task that was cancelled and the like are no errors."""
        if isinstance(error, GeneratorExit):  # a coroutine that was forgotten
            self.forgotten()
        elif isinstance(error, CancelledError) or not isinstance(error, Exception):
            self.cancelled()
        elif self._end(_FAILED):
            self._observer.counters.error(type(error).__name__)
            self._tell(type(error).__name__)

    def cancelled(self) -> None:
        """Nobody wants it any more."""
        if self._end(_CANCELLED):
            self._tell(_CANCELLED_ERROR)

    def forgotten(self) -> None:
        """The same, from a destructor: nobody is told."""
        if self._under_way:
            self._end(_CANCELLED)

    def _tell(self, error: str | None, ended: float | None = None) -> None:
        """Tell those who listen, once: of its error's class, and when it ended if not now."""
        if self._untold is None:
            return
        try:
            self._untold.pop()
        except IndexError:
            return
        # Whoever logs or exports may fail in any way; the call has its answer all the same.
        with suppress(Exception):
            self._tell_of(error, time.monotonic() if ended is None else ended)

    def _tell_of(self, error: str | None, now: float) -> None:
        raise NotImplementedError


class CallWatch(Watch):
    """Watches one call."""

    _record: _ext.CallRecord | None = None  # of one that goes on by itself

    def __init__(self, observer: Watched, what: str) -> None:
        """It begins now; ``what`` is the method."""
        super().__init__(observer)
        self._what = what
        self._waiting: dict[int, InputMoments] = {}
        self._inputs: dict[int, InputMoments] = {}
        self._kept: set[int] = set()

    def input(self, index: int, key: str) -> InputMoments:
        """One of its inputs is about to be read; perhaps not for the first time."""
        before = self._waiting.get(index)
        moments = self._waiting[index] = InputMoments(self._observer.counters, key, before)
        if self._wanted:
            moments.meter = _ext.Meter()
            self._inputs[index] = moments
        return moments

    def put_off(self, index: int) -> None:
        """There was no room for an input that is tried again later: that is no failure."""
        self._inputs.pop(index, None)

    def taken(self, index: int) -> InputMoments | None:
        """The moments of an input whose result is taken; None if it was taken before."""
        return self._waiting.pop(index, None)

    def kept(self, index: int, error: BaseException) -> None:
        """An input's error stands among the results; of one input it is counted once."""
        if self._record is None and index not in self._kept:  # otherwise its ticket has told
            self._kept.add(index)
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
        """Somebody has taken the results of a call that follows its tickets, or its error.

        It ended with the last of these, however long its result lay there.
        """
        if self._record is None:
            return
        self._record.settle(list(tickets))
        if self._wanted:
            known = [at for ticket in tickets if (at := ticket.finished_s) is not None]
            self._tell(None if error is None else type(error).__name__, max(known, default=None))

    def _tell_of(self, error: str | None, now: float) -> None:
        observer, inputs = self._observer, list(self._inputs.values())
        if error is not None:
            for one in inputs:  # those that nobody looked at any more end with the call
                if one.ended is None:
                    one.error = error
        untold = error is not None and all(one.error is None for one in inputs)
        told: list[Moments] = [*inputs]
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
            "safeasr.inputs": len(inputs),
            "safeasr.audio_s": sum(one.audio_s for one in inputs),
        }
        if len(inputs) == 1:
            attributes["safeasr.key"] = shown_key(inputs[0].key or "")
        write_spans("safeasr.generate", self._parent, self.began, now, error, attributes, inputs)
