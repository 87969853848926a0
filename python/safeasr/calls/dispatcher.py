"""Done-callbacks: run on one Python thread, fed by workers that never touch Python."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import threading
from collections.abc import Callable

from safeasr import _ext

__all__ = ["forbid_waiting", "on_callback_thread", "run_callback", "when_finished"]

_log = logging.getLogger("safeasr")


class _Dispatcher:
    """A thread that waits for finished tickets and runs what was left for them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue = _ext.CompletionQueue()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._tokens = itertools.count()
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None

    def add(self, ticket: _ext.Ticket, callback: Callable[[], None]) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="safeasr-callbacks", daemon=True
                )
                self._thread.start()
            token = next(self._tokens)
            self._waiting[token] = callback
        ticket.announce(self._queue, token)

    def _run(self) -> None:
        while (token := self._queue.get()) is not None:
            with self._lock:
                callback = self._waiting.pop(token)
            run_callback(callback)
            del callback  # it may hold a model, and the next one may be long in coming

    def runs_here(self) -> bool:
        """Whether the calling thread is the one that runs callbacks."""
        return self._thread is not None and self._thread.ident == threading.get_ident()

    def close(self) -> None:
        self._queue.close()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join()


_lock = threading.Lock()
_current: _Dispatcher | None = None


def _dispatcher() -> _Dispatcher:
    global _current
    with _lock:
        if _current is None or _current._pid != os.getpid():  # a forked child has no such thread
            _current = _Dispatcher()
        return _current


def run_callback(callback: Callable[[], object]) -> None:
    """Call it; log what it raises.

    On the callback thread that is everything, SystemExit too: that thread serves the whole process,
    and without it no stream and no asyncio task would ever hear of its result again.
    """
    try:
        callback()
    except Exception:
        _log.exception("a done-callback raised")
    except BaseException:
        if not on_callback_thread():
            raise
        _log.exception("a done-callback raised")


def on_callback_thread() -> bool:
    """Whether this is the thread that runs callbacks: nothing may wait on it."""
    current = _current
    return current is not None and current.runs_here()


def forbid_waiting() -> None:
    """Refuse to wait on the callback thread, where a wait would hold up what it waits for.

    Raises:
        RuntimeError: if this is that thread.
    """
    if on_callback_thread():
        raise RuntimeError(
            "a done-callback must not wait for a model: it runs on the thread that all callbacks "
            "and streams share. Hand the work to a thread of your own"
        )


def when_finished(ticket: _ext.Ticket, callback: Callable[[], None]) -> None:
    """Run ``callback`` on the callback thread once the ticket is finished."""
    if hasattr(ticket, "add_done_callback"):  # not of the engine: it knows a thread itself
        ticket.add_done_callback(callback)
        return
    _dispatcher().add(ticket, callback)


@atexit.register
def _stop() -> None:
    if _current is not None:
        _current.close()


def _after_fork() -> None:
    # The lock may have been held by a thread that does not exist in the child.
    global _lock, _current
    _lock = threading.Lock()
    _current = None


os.register_at_fork(after_in_child=_after_fork)
