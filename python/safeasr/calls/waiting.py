"""Waiting for tickets: Ctrl-C arrives, greenlets go on, and callbacks do not wait at all."""

from __future__ import annotations

import os
import select

from safeasr._extension import _ext
from safeasr.calls.dispatcher import CALLBACKS, STEPS, forbid_waiting
from safeasr.calls.os_threads import allocate_lock, threads_are_green
from safeasr.calls.promise import Promise

__all__ = ["wait_for"]


def wait_for(ticket: _ext.Ticket, timeout_s: float | None = None) -> bool:
    """Wait until a ticket is finished.

    Args:
        ticket: of the engine, or promised by a pipeline.
        timeout_s: seconds to wait; None: as long as it takes.

    Returns:
        False when the time passed first.

    Raises:
        RuntimeError: in a done-callback, for what is not finished yet.
        InterruptedCallError: in a signal handler that interrupted what it would wait for.
    """
    if ticket.finished():
        return True
    forbid_waiting()
    if isinstance(ticket, Promise):
        STEPS.require_elsewhere()
        ticket.require_elsewhere()
    if threads_are_green():
        return _let_others_run(ticket, timeout_s)
    return ticket.wait(timeout_s)


class _Bell:
    """A pipe that rings once. Whoever rings may come after whoever waited has gone."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._reader, self._writer = os.pipe()
        self._closed = False

    def ring(self) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._writer, b"!")

    def wait(self, timeout_s: float | None) -> bool:
        """By ``select``, which those who patch threads patch too."""
        return bool(select.select([self._reader], [], [], timeout_s)[0])

    def close(self) -> None:
        with self._lock:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)


def _let_others_run(ticket: _ext.Ticket, timeout_s: float | None) -> bool:
    bell = _Bell()
    try:
        CALLBACKS.when_finished(ticket, bell.ring)
        return bell.wait(timeout_s) or ticket.finished()
    finally:
        bell.close()
