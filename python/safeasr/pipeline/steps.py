"""Pipelines: work that takes several requests, one after the other, without a thread that waits.

A pipeline is a generator. It yields the ticket that it waits for and is sent that ticket's result,
or has its error thrown in; what it returns is its own result. :class:`Run` drives one, for a
recording or for a chunk of a stream: up to the first wait on the caller's thread, then on the
threads of :data:`safeasr.calls.dispatcher.STEPS`. What a pipeline submits beyond its first request
was accepted with it, so it does not wait for room (``direct``): nothing waits on those threads.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from safeasr._extension import _ext
from safeasr.calls.dispatcher import STEPS, on_callback_thread
from safeasr.calls.os_threads import allocate_rlock
from safeasr.calls.promise import Promise
from safeasr.errors import InterruptedCallError

__all__ = ["Run", "SideRun", "Steps"]

#: What a pipeline does: yields tickets, is sent their results, returns its own.
Steps = Generator[_ext.Ticket, Any, Any]


class Run(Promise):
    """A pipeline on its way, and the ticket of its result. Nothing runs before :meth:`begin`."""

    #: Whether ``cancel`` stops it once it has begun. A stream's chunk is not stopped: the state of
    #: its models would be between two chunks.
    stoppable = True

    def __init__(self) -> None:
        super().__init__()
        self._lock = allocate_rlock()
        self._steps: Steps | None = None
        self._awaited: _ext.Ticket | None = None
        self._given_up = False
        self._thread: int | None = None

    def runs_here(self) -> bool:
        """Whether the calling thread is in the middle of it: this is a signal handler."""
        return self._thread == _ext.thread_id()

    def require_elsewhere(self) -> None:
        """Refuse to wait for what cannot go on before whoever waits has returned.

        Raises:
            InterruptedCallError: in a signal handler that interrupted the run itself.
        """
        if self.runs_here():
            raise InterruptedCallError(
                "a signal handler cannot wait for the call that it interrupted: set a flag there, "
                "or hand the work to a thread"
            )

    def steps(self) -> Steps:
        """The pipeline; asked for once, when it begins."""
        raise NotImplementedError

    def ended(self) -> None:
        """It has begun and ended, in whatever way; whoever waits for it hears of that next."""

    def heard(self) -> None:
        """After that, unless ``begin`` has said so."""

    @property
    def state(self) -> str:
        """As of the engine's tickets."""
        known: str = super().state
        return "running" if known == "queued" and self._steps is not None else known

    def begin(self) -> bool:
        """Run up to the first wait, on the calling thread. Does nothing if it was cancelled.

        Returns:
            Whether it has ended already.

        Raises:
            BaseException: what is not an ``Exception``, such as Ctrl-C. The run has failed with it,
                or goes on if it was waiting by then.
        """
        self._thread = _ext.thread_id()
        try:
            return self._begin()
        finally:
            self._thread = None

    def _begin(self) -> bool:
        if self.stoppable or self.start():
            steps = self.steps()
            with self._lock:
                given_up = self._given_up
                self._steps = steps
            if not given_up:
                try:
                    return self._advance(steps, None)
                except BaseException as error:  # Ctrl-C, anywhere
                    self._interrupted(error)
                    raise
        self.ended()
        return True

    def _interrupted(self, error: BaseException) -> None:
        with self._lock:
            awaited = self._awaited
        if awaited is not None:  # it goes on; twice announced, it arrives once
            STEPS.when_finished(awaited, self._arrived)
        elif not self.finished():
            self.ended()
            self.fail(error)

    def cancel(self) -> bool:
        """Take it back. Of a stoppable one that runs, what waits in the engine is taken back too.

        Returns:
            Whether it will have no result.
        """
        if not super().cancel():
            return False
        with self._lock:
            self._given_up = True
            awaited, self._awaited = self._awaited, None
        if awaited is not None and self._steps is not None:
            self._steps.close()
            self.ended()
            self.heard()
        # Otherwise it has not begun, or whoever runs its steps just now ends them.
        return True

    def _advance(self, steps: Steps, arrived: _ext.Ticket | None) -> bool:
        """Run steps until one waits; whether it has ended."""
        self._thread = _ext.thread_id()
        try:
            awaited = self._advance_here(steps, arrived)
        finally:
            self._thread = None
        if awaited is None:
            return True
        STEPS.when_finished(awaited, self._arrived)
        return False

    def _advance_here(self, steps: Steps, arrived: _ext.Ticket | None) -> _ext.Ticket | None:
        """What it waits for then; None if it has ended."""
        while True:
            try:
                if arrived is None:
                    awaited = next(steps)
                else:
                    try:
                        value = arrived.get()
                    except BaseException as error:
                        awaited = steps.throw(error)
                    else:
                        awaited = steps.send(value)
            except StopIteration as stop:
                self.ended()
                self.resolve(stop.value)
                return None
            except BaseException as error:
                self.ended()
                self.fail(error)
                if isinstance(error, Exception) or on_callback_thread():
                    return None
                raise
            with self._lock:
                if not self._given_up and not awaited.finished():
                    self._awaited = awaited
                    return awaited
                given_up = self._given_up
            if given_up:
                steps.close()
                self.ended()
                return None
            arrived = awaited

    def _arrived(self) -> None:
        with self._lock:
            awaited, self._awaited = self._awaited, None
        if awaited is None or self._steps is None:  # cancelled meanwhile
            return
        if self._advance(self._steps, awaited):
            self.heard()


class SideRun(Run):
    """A pipeline beside another one, which waits for it or takes it back."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._todo = steps

    def steps(self) -> Steps:
        """What it was made with."""
        return self._todo
