"""Threads and locks of the operating system, whatever gevent or eventlet have made of Python's.

A program that calls ``gevent.monkey.patch_all()`` turns threads into greenlets, all on one thread.
A loop of ours that waits in C++ would then stop all of them, and with them whoever should end its
wait. So what runs callbacks and pipelines are real threads, and what they share with others is
guarded by real locks, which are held for moments and never while anything else may run.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from safeasr.errors import InterruptedCallError
from safeasr.threads import starting_threads

__all__ = [
    "allocate_lock",
    "allocate_rlock",
    "original",
    "require_unheld",
    "start_thread",
    "threads_are_green",
]


def original(module: str, name: str) -> Any:
    """What a module of the standard library had under a name before anybody patched it."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return gevent.get_original(module, name)
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return getattr(eventlet.original(module), name)
    return getattr(importlib.import_module(module), name)


def threads_are_green() -> bool:
    """Whether Python's threads are greenlets here: a wait must let the others run."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return True
    return eventlet is not None and bool(eventlet.is_monkey_patched("thread"))


def allocate_lock() -> Any:
    """A lock like ``threading.Lock()`` that blocks a thread of the operating system."""
    return original("_thread", "allocate_lock")()


def allocate_rlock() -> Any:
    """A lock like ``threading.RLock()`` that blocks a thread of the operating system.

    A signal handler may run between any two steps of the main thread, also while that holds a lock,
    and may want the same one. What these locks guard is whole between any two steps.
    """
    return original("_thread", "RLock")()


def require_unheld(lock: Any) -> None:
    """Refuse to wait for what may need a lock that the calling thread holds.

    Args:
        lock: of :func:`allocate_rlock`. Nothing of ours waits while it holds one, so this is a
            signal handler, and the lock is not given back before the handler has returned.

    Raises:
        InterruptedCallError: if the calling thread holds it.
    """
    if lock._is_owned():
        raise InterruptedCallError(
            "a signal handler interrupted what the others need to go on, so it cannot wait for "
            "them: set a flag there, or hand the work to a thread"
        )


def start_thread(run: Callable[[], None], name: str) -> Callable[[], None]:
    """Run a function on a thread of its own, which does not keep the process alive.

    Returns:
        A function that waits until it has ended.

    Raises:
        OutOfMemoryError: if the system starts no more threads.
    """
    ended = allocate_lock()
    ended.acquire()

    def body() -> None:
        import threading

        threading.current_thread().name = name
        try:
            run()
        finally:
            ended.release()

    with starting_threads():
        original("_thread", "start_new_thread")(body, ())

    def join() -> None:
        with ended:
            pass

    return join
