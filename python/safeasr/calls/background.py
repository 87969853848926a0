"""Work that needs no engine, as a ticket: beside the threads that all calls share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from safeasr.calls.dispatcher import Dispatcher
from safeasr.calls.promise import Promise

__all__ = ["on_thread_of"]


def on_thread_of(
    dispatcher: Dispatcher, work: Callable[[], Any], still_wanted: Callable[[], None]
) -> Promise:
    """Do it on another thread; cancelled before it begins, it is not done.

    Args:
        dispatcher: whose thread.
        work: what to do.
        still_wanted: asked before it begins; raises if nobody wants it any more.

    Returns:
        The ticket of what it returns.
    """
    promise = Promise()

    def run() -> None:
        if not promise.start():
            return
        try:
            still_wanted()
            value = work()
        except BaseException as error:
            promise.fail(error)
        else:
            promise.resolve(value)

    dispatcher.run(run)
    return promise
