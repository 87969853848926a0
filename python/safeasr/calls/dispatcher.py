"""Threads that go on when tickets are finished, fed by workers that never touch Python."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
from collections.abc import Callable

from safeasr._extension import _ext
from safeasr.calls.os_threads import allocate_rlock, require_unheld, start_thread
from safeasr.calls.promise import Promise
from safeasr.options.cores import usable_cores
from safeasr.warn import log_exception

__all__ = [
    "ALONE",
    "BACKGROUND",
    "CALLBACKS",
    "DECODING",
    "STEPS",
    "TELLING",
    "Dispatcher",
    "forbid_waiting",
    "on_callback_thread",
    "run_callback",
]

_log = logging.getLogger("safeasr")


class Dispatcher:
    """Threads that wait for finished tickets and run what was left for them.

    They start with the first ticket. In a forked child, where they do not exist, others start.
    """

    def __init__(self, name: str, threads: int) -> None:
        """Remember how many threads to start.

        Args:
            name: of the threads.
            threads: how many there are.
        """
        self._name = name
        self._count = threads
        self._lock = allocate_rlock()
        self._begin()

    def _begin(self) -> None:
        self._queue = _ext.CompletionQueue()
        self._waiting: dict[int, Callable[[], object]] = {}
        self._tokens = itertools.count()
        self._joins: list[Callable[[], None]] | None = None
        self._idents: set[int] = set()
        self._pid = os.getpid()

    def when_finished(self, ticket: _ext.Ticket, callback: Callable[[], object]) -> None:
        """Run ``callback`` on one of the threads once the ticket is finished."""
        with self._lock:
            if self._joins is None:
                self._joins = []  # first: a signal handler may come here meanwhile
                try:
                    for _ in range(self._count):
                        self._joins.append(start_thread(self._run, self._name))
                except BaseException:
                    self._joins = None
                    raise
            token = next(self._tokens)
            self._waiting[token] = callback
            queue = self._queue
        ticket.announce(queue, token)

    def run(self, callback: Callable[[], object]) -> None:
        """Run ``callback`` on one of the threads as soon as one is free."""
        nothing = Promise()
        nothing.finish()
        self.when_finished(nothing, callback)

    @property
    def waiting(self) -> int:
        """How many callbacks have not begun."""
        return len(self._waiting)

    def require_elsewhere(self) -> None:
        """Raise InterruptedCallError in a signal handler without which no callback can run."""
        require_unheld(self._lock)

    def runs_here(self) -> bool:
        """Whether the calling thread is one of them."""
        return _ext.thread_id() in self._idents

    def _run(self) -> None:
        self._idents.add(_ext.thread_id())
        queue, waiting = self._queue, self._waiting
        while (token := queue.get()) is not None:
            with self._lock:
                callback = waiting.pop(token)
            run_callback(callback)
            del callback  # it may hold a model, and the next one may be long in coming

    def close(self) -> None:
        """Run what is finished by now, then end."""
        self._queue.close()
        if self._pid == os.getpid():
            for join in self._joins or ():
                join()

    def after_fork(self) -> None:
        """The threads stayed in the parent, and one of them may have held the lock."""
        self._lock = allocate_rlock()
        self._begin()


#: Runs the done-callbacks of futures: code of others, which should be short and cannot wait.
CALLBACKS = Dispatcher("safeasr-callbacks", 1)
#: Runs the steps of pipelines: alignment, text, the next request. Two, so that one that computes
#: holds up no other; more would only share the GIL.
STEPS = Dispatcher("safeasr-steps", 2)
#: Runs what takes a second or so and needs no engine.
BACKGROUND = Dispatcher("safeasr-background", 1)
#: Runs what takes long, or must not be done twice at a time.
ALONE = Dispatcher("safeasr-alone", 1)
#: Decodes recordings block by block, beside whatever is done with the blocks before.
DECODING = Dispatcher("safeasr-decoding", min(usable_cores(), 8))
#: Runs log handlers and exporters of spans, see :mod:`safeasr.calls.telling`.
TELLING = Dispatcher("safeasr-telling", 1)
_ALL = (DECODING, ALONE, BACKGROUND, STEPS, CALLBACKS, TELLING)


def on_callback_thread() -> bool:
    """Whether nothing may wait here: this thread serves the whole process."""
    return CALLBACKS.runs_here() or STEPS.runs_here()


def run_callback(callback: Callable[[], object]) -> None:
    """Call it; log what it raises.

    On a thread that serves the whole process that is everything, SystemExit too: without it no
    stream and no asyncio task would ever hear of its result again.
    """
    try:
        callback()
    except Exception:
        log_exception(_log, "a done-callback raised")
    except BaseException:
        if not on_callback_thread():
            raise
        log_exception(_log, "a done-callback raised")


def forbid_waiting() -> None:
    """Refuse to wait where a wait would hold up what it waits for.

    Raises:
        RuntimeError: on a thread that runs callbacks.
    """
    if on_callback_thread():
        raise RuntimeError(
            "a done-callback must not wait for a model: it runs on the thread that all callbacks "
            "share. Hand the work to a thread of your own"
        )


@atexit.register
def _stop() -> None:
    for dispatcher in _ALL:
        dispatcher.close()


def _after_fork() -> None:
    for dispatcher in _ALL:
        dispatcher.after_fork()


os.register_at_fork(after_in_child=_after_fork)
