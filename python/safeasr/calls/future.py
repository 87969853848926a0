"""The future that ``AutoModel.submit`` returns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from safeasr import _ext
from safeasr.calls.dispatcher import forbid_waiting, run_callback, when_finished
from safeasr.deadlines import seconds_left
from safeasr.errors import CancelledError

__all__ = ["Future"]

_log = logging.getLogger("safeasr")


class Future:
    """The result of one ``submit``: what ``generate`` would return for the same input.

    Any number of threads may wait for it. The methods are those of ``concurrent.futures.Future``.
    """

    def __init__(
        self, tickets: Sequence[_ext.Ticket], collect: Callable[[], list[dict[str, Any]]]
    ) -> None:
        """Made by ``AutoModel.submit``.

        Args:
            tickets: of the input's utterances, in order.
            collect: makes the results of the finished tickets. Keeps the model alive.
        """
        self._tickets = tuple(tickets)
        self._collect = collect

    def done(self) -> bool:
        """Whether every utterance has finished: with a result, an error, or cancelled."""
        return all(t.finished() for t in self._tickets)

    def running(self) -> bool:
        """Whether an utterance is being processed now."""
        return any(t.state == "running" for t in self._tickets)

    def cancelled(self) -> bool:
        """Whether an utterance was cancelled; ``result`` then raises CancelledError."""
        return any(t.state == "cancelled" for t in self._tickets)

    def cancel(self) -> bool:
        """Take back what has not started yet.

        Returns:
            True if anything was cancelled, now or before. What runs already runs to its end.
        """
        for ticket in self._tickets:
            ticket.cancel()
        return self.cancelled()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until done; False when ``timeout`` seconds passed first. Ctrl-C gets through.

        Raises:
            RuntimeError: in a done-callback, for what is not done yet.
        """
        if self.done():
            return True
        forbid_waiting()
        deadline = None if timeout is None else time.monotonic() + timeout
        return all(ticket.wait(seconds_left(deadline)) for ticket in self._tickets)

    def result(self, timeout: float | None = None) -> list[dict[str, Any]]:
        """The results, one dict for each utterance, in the order of the input.

        Args:
            timeout: seconds to wait; None waits as long as it takes.

        Raises:
            TimeoutError: if it is not done in time. The request goes on.
            CancelledError: if it was cancelled.
            SafeASRError: what the first failed utterance failed with.
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
        except Exception as error:
            return error
        return None

    def add_done_callback(self, fn: Callable[[Future], object]) -> None:
        """Call ``fn(self)`` once done, on safeasr's callback thread; at once if already done.

        What ``fn`` raises is logged. It must be short, for all callbacks share one thread, and it
        cannot wait for a model there: that raises RuntimeError.
        """

        def next_step() -> None:
            for ticket in self._tickets:
                if not ticket.finished():
                    when_finished(ticket, next_step)
                    return
            run_callback(lambda: fn(self))

        next_step()

    def __await__(self) -> Any:
        """``await future`` on asyncio; cancelling the awaiting task cancels the request."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake(_: Future) -> None:
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:  # the loop is closed: nobody waits any more
                _log.debug("a result came after its event loop was closed")

        self.add_done_callback(wake)
        try:
            await done.wait()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self._collect()
