"""What one pipeline hands to another: in order, nothing lost, no wait that never ends."""

from __future__ import annotations

import threading

import pytest

from safeasr.calls.inbox import Inbox, first_of
from safeasr.calls.promise import Promise


def take_all(inbox: Inbox[int], found: list[int]) -> None:
    while True:
        item = inbox.take()
        if item is not None:
            found.append(item)
        elif inbox.ended:
            return
        else:
            assert inbox.more().wait(60)


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_everything_arrives_in_order(limit: int) -> None:
    inbox: Inbox[int] = Inbox(limit)
    found: list[int] = []
    reader = threading.Thread(target=take_all, args=(inbox, found))
    reader.start()
    longest = 0
    for item in range(20_000):
        while inbox.full:
            assert inbox.room().wait(60)
        inbox.put(item)
        longest = max(longest, len(inbox._items))
    inbox.close()
    reader.join(60)
    assert found == list(range(20_000))
    assert longest <= limit


def test_an_error_comes_after_the_items() -> None:
    inbox: Inbox[int] = Inbox(8)
    inbox.put(1)
    inbox.close(KeyError("no more"))
    assert inbox.more().finished()
    assert inbox.take() == 1
    for _ in range(2):
        assert not inbox.ended  # whoever looks first must not take it for a good end
        with pytest.raises(KeyError, match="no more"):
            inbox.take()


def test_nobody_waits_for_a_reader_that_left() -> None:
    inbox: Inbox[int] = Inbox(1)
    inbox.put(1)
    waiting = inbox.room()
    assert inbox.full and not waiting.finished()
    inbox.abandon()
    assert waiting.finished() and not inbox.full
    inbox.put(2)
    assert inbox.take() is None
    assert inbox.room().finished()


def test_nothing_waits_for_a_reader_that_left() -> None:
    """A callback of its own, which keeps it alive, would otherwise stay for ever."""
    inbox: Inbox[int] = Inbox(1)
    waiting = inbox.more()
    inbox.abandon()
    assert waiting.finished()


def test_first_of() -> None:
    one, other = Promise(), Promise()
    either = first_of(one, other)
    assert not either.finished()
    other.cancel()
    assert either.wait(60)
    assert first_of(one, other).finished()
    one.fail(ValueError("in whatever way"))
    assert first_of(one).get() is None
