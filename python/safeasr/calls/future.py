"""The future of whatever was submitted: utterances, a recording, a chunk of a stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, TypeVar

from safeasr._extension import _ext
from safeasr.calls.dispatcher import CALLBACKS, run_callback
from safeasr.calls.waiting import wait_for
from safeasr.deadlines import deadline_after, seconds_left
from safeasr.errors import CancelledError
from safeasr.options.checks import time_limit
from safeasr.options.kinds import CALLABLE, require

__all__ = ["Future"]

_log = logging.getLogger("safeasr")
_T = TypeVar("_T")


class Future(Generic[_T]):
    """The result of one ``submit``: what the call that waits would return for the same input.

    Any number of threads may wait for it, and asyncio tasks may await it. The methods are those of
    ``concurrent.futures.Future``.
    """

    def __init__(
        self,
        tickets: Sequence[_ext.Ticket],
        collect: Callable[[], _T],
        cut_short: Callable[[BaseException], _T] | None = None,
    ) -> None:
        """Made by ``AutoModel.submit`` and ``Stream.submit``.

        Args:
            tickets: of what was submitted, in order.
            collect: makes the result of the finished tickets. Keeps the model alive.
            cut_short: makes what can be had when the wait for the rest ended with an error, or
                raises that error with what is done.
        """
        self._tickets = tuple(tickets)
        self._collect = collect
        self._cut_short = cut_short

    def done(self) -> bool:
        """Whether all of it has finished: with a result, an error, or cancelled."""
        return all(ticket.finished() for ticket in self._tickets)

    def running(self) -> bool:
        """Whether some of it is being processed now."""
        return any(ticket.state == "running" for ticket in self._tickets)

    def cancelled(self) -> bool:
        """Whether some of it was cancelled; ``result`` then raises CancelledError."""
        return any(ticket.state == "cancelled" for ticket in self._tickets)

    def cancel(self) -> bool:
        """Take back what has not started, and what a pipeline would still start.

        A recording that is recognised piece by piece (``vad_model``) ends with the pieces that run.
        What runs in a batch with others' requests runs to its end; a batch that nobody wants any
        more stops between two layers, and its requests are cancelled then.

        Returns:
            True if anything was cancelled, now or before; False too for what will be only then.
        """
        for ticket in self._tickets:
            ticket.cancel()
        return self.cancelled()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until done; False when ``timeout`` seconds passed first. Ctrl-C gets through.

        Raises:
            RuntimeError: in a done-callback, for what is not done yet.
            OptionError: if the timeout is no number of at least 0.
        """
        deadline = deadline_after(time_limit(timeout))
        return all(wait_for(ticket, seconds_left(deadline)) for ticket in self._tickets)

    def result(self, timeout: float | None = None) -> _T:
        """What the call that waits would return.

        Args:
            timeout: seconds to wait; None waits as long as it takes.

        Raises:
            TimeoutError: if it is not done in time. The request goes on.
            CancelledError: if it was cancelled.
            SafeASRError: what the first failed part failed with. Of a call with several inputs its
                attribute ``results`` has the results of the others.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"not done after {timeout} s; the request goes on")
        return self._collect()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What ``result`` would raise, or None. Raises TimeoutError and CancelledError itself."""
        if not self.wait(timeout):
            raise TimeoutError(f"not done after {timeout} s; the request goes on")
        try:
            self._collect()
        except CancelledError:
            raise
        except BaseException as error:
            return error
        return None

    def add_done_callback(self, fn: Callable[[Future[_T]], object]) -> None:
        """Call ``fn(self)`` once done, on safeasr's callback thread; at once if already done.

        What ``fn`` raises is logged. It must be short, for all callbacks share one thread, and it
        cannot wait for a model there: that raises RuntimeError.

        Raises:
            OptionError: if ``fn`` cannot be called.
        """
        require(CALLABLE, "fn", fn)

        def next_step() -> None:
            for ticket in self._tickets:
                if not ticket.finished():
                    CALLBACKS.when_finished(ticket, next_step)
                    return
            run_callback(lambda: fn(self))

        next_step()

    def __await__(self) -> Generator[Any, None, _T]:
        """``await future`` on asyncio; cancelling the awaiting task cancels the request."""
        return self._wait_async().__await__()

    async def settled(self) -> None:
        """Wait on asyncio until done in any way. Giving up leaves it alone."""
        if self.done():
            return
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake(_: Future[_T]) -> None:
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:  # the loop is closed: nobody waits any more
                _log.debug("a result came after its event loop was closed")

        self.add_done_callback(wake)
        await done.wait()

    def _end_early(self, error: BaseException) -> _T:
        """What can be had though the wait ended with an error; raises it otherwise."""
        if self._cut_short is None:
            raise error
        return self._cut_short(error)

    async def _wait_async(self) -> _T:
        try:
            await self.settled()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self._collect()
