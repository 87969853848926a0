"""Several requests of one recording under way at a time, their answers taken in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from safeasr._extension import _ext
from safeasr.calls.inbox import Inbox, first_of
from safeasr.pipeline.steps import Steps

__all__ = ["answered"]

_T = TypeVar("_T")
_U = TypeVar("_U")
_V = TypeVar("_V")


def answered(
    inbox: Inbox[_T],
    expand: Callable[[_T], Iterable[_U]],
    submit: Callable[[_U], tuple[_V, _ext.Ticket]],
    done: Callable[[_V, _ext.Ticket], None],
    *,
    ahead: int,
    hold: Callable[[], _ext.Ticket | None] = lambda: None,
) -> Steps:
    """Steps that have the items of an inbox answered in order, some of them at a time.

    Args:
        inbox: of the items.
        expand: of an item, what is submitted.
        submit: submits that; returns a name for it and its ticket.
        done: is told of each that has finished, in order. What it raises ends everything.
        ahead: how many are under way at a time.
        hold: what is waited for before another item is taken, if anything.
    """
    under_way: deque[tuple[_V, _ext.Ticket]] = deque()
    waiting: Iterator[_U] = iter(())
    try:
        while True:
            held = None
            if len(under_way) < ahead:
                one = next(waiting, None)
                if one is not None:
                    under_way.append(submit(one))
                    continue
                held = hold()
                if held is None and (item := inbox.take()) is not None:
                    waiting = iter(expand(item))
                    continue
                if held is None and not under_way and inbox.ended:
                    return
                if held is None and not inbox.ended:
                    held = inbox.more()
            awaited = [under_way[0][1]] if under_way else []
            yield first_of(*awaited, *([] if held is None else [held]))
            while under_way and under_way[0][1].finished():
                done(*under_way.popleft())
    finally:
        inbox.abandon()
        for _, ticket in under_way:
            ticket.cancel()
