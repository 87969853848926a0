"""The sentences of recordings while these are still being recognised: a loop's view of a call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from safeasr._extension import _ext
from safeasr.calls.awaiting import Readers
from safeasr.calls.call import Call, failed
from safeasr.calls.dispatcher import STEPS, forbid_waiting
from safeasr.calls.future import Future
from safeasr.calls.inbox import Inbox
from safeasr.calls.submission import FollowedRecognizer
from safeasr.calls.waiting import wait_for
from safeasr.deadlines import seconds_left
from safeasr.errors import DeadlineExceededError, SafeASRError

__all__ = ["Sentences"]

#: Recordings under way at a time: the next one begins before the present one has ended.
_RECORDINGS: Final = 2
#: Sentences are never refused; they are small.
_ANY: Final = 2**62

Result = dict[str, Any]


class _Following:
    """An input on its way, and what is known of it by now."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.inbox: Inbox[Result] = Inbox(_ANY)
        self.ticket: _ext.Ticket | None = None

    def begin(self, ticket: _ext.Ticket) -> None:
        self.ticket = ticket
        STEPS.when_finished(ticket, self.inbox.close)

    def cancel(self) -> None:
        if self.ticket is not None:
            self.ticket.cancel()


class Sentences(Iterator[Result], AsyncIterator[Result]):
    """Made by ``AutoModel.generate_iter``: for ``for`` or ``async for``, and for one of them.

    What is left when a loop ends early is cancelled by :meth:`close`, at the end of a ``with``
    block, and when the object is forgotten.
    """

    def __init__(
        self,
        begin: Callable[[], Call],
        readers: Readers,
        deadline: float | None,
        *,
        waits_for_others: bool,
    ) -> None:
        """Nothing is read yet.

        Args:
            begin: expands the input.
            readers: of the model, for loops on asyncio.
            deadline: time of the monotonic clock at which all of it ends; None: no limit.
            waits_for_others: whether audio comes over a network.
        """
        self._begin = begin
        self._readers = readers
        self._deadline = deadline
        self._waits_for_others = waits_for_others
        self._call: Call | None = None
        self._next = 0
        self._under_way: deque[_Following] = deque()
        self._results: list[Result] = []
        self._closed = False

    # -- Inputs -----------------------------------------------------------------------------------

    def _wants_more(self) -> bool:
        """Whether one more input should be under way."""
        if self._call is None:
            return True
        serving = self._call.serving
        follows = isinstance(serving.recognizer, FollowedRecognizer)
        ahead = _RECORDINGS if follows else serving.ahead
        return self._next < len(self._call.utterances) and len(self._under_way) < ahead

    def _begin_next(self) -> _Following | None:
        """Read and queue the next input; None if there is none at all."""
        if self._call is None:
            self._call = self._begin()
        if self._next == len(self._call.utterances):
            return None
        following = _Following(self._next)
        try:
            utterance = self._call.utterances[following.index]
            ticket = self._call.submit(utterance, tell=following.inbox.put)
        except SafeASRError as error:  # those before it come first
            ticket = failed(error)
        following.begin(ticket)
        self._next += 1
        return following

    def _ended(self, first: _Following) -> Result | None:
        """What is still to be told of an input that has ended; raises its error."""
        assert self._call is not None
        assert first.ticket is not None
        self._under_way.popleft()
        result = self._call.outcome(first.index, first.ticket)
        if self._call.options.output_dir is not None:
            self._results.append(result)
        told = isinstance(self._call.serving.recognizer, FollowedRecognizer)
        return None if told and "error" not in result else self._call.corrected(result)

    def _named(self, first: _Following, told: Result) -> Result:
        assert self._call is not None
        return {
            "key": self._call.utterances[first.index].key,
            **self._call.corrected_sentence(told),
        }

    def _late(self) -> DeadlineExceededError:
        return DeadlineExceededError("the timeout passed before the next sentence was there")

    def _written(self) -> None:
        if self._call is not None and not self._closed:
            self._closed = True
            self._call.write(self._results)

    # -- Loops ------------------------------------------------------------------------------------

    def __iter__(self) -> Sentences:
        """Itself."""
        return self

    def __next__(self) -> Result:
        """The next sentence."""
        forbid_waiting()
        try:
            while not self._closed:
                while self._wants_more() and (following := self._begin_next()) is not None:
                    self._under_way.append(following)
                if not self._under_way:
                    self._written()
                    break
                first = self._under_way[0]
                told = first.inbox.take()
                if told is not None:
                    return self._named(first, told)
                if first.inbox.ended:
                    if (last := self._ended(first)) is not None:
                        return last
                elif not wait_for(first.inbox.more(), seconds_left(self._deadline)):
                    raise self._late()
        except BaseException:
            self.close()
            raise
        raise StopIteration

    def __aiter__(self) -> Sentences:
        """Itself."""
        return self

    async def __anext__(self) -> Result:
        """The next sentence; neither reading nor waiting blocks the event loop."""
        try:
            while not self._closed:
                await self._begin_others()
                if not self._under_way:
                    self._written()
                    break
                first = self._under_way[0]
                told = first.inbox.take()
                if told is not None:
                    return self._named(first, told)
                if first.inbox.ended:
                    if (last := self._ended(first)) is not None:
                        return last
                else:
                    await self._wait(first.inbox.more())
        except BaseException:
            self.close()
            raise
        raise StopAsyncIteration

    async def _begin_others(self) -> None:
        while self._wants_more():
            begun = await self._readers.start(
                lambda: _Begun(self._begin_next()),
                self._deadline,
                waits_for_others=self._waits_for_others,
            )
            if begun.following is None:
                return
            self._under_way.append(begun.following)

    async def _wait(self, ticket: _ext.Ticket) -> None:
        waiting = Future([ticket], lambda: None)
        try:
            await asyncio.wait_for(waiting.settled(), seconds_left(self._deadline))
        except (TimeoutError, asyncio.TimeoutError):
            raise self._late() from None

    def close(self) -> None:
        """Cancel what is not finished; no sentence follows."""
        self._closed = True
        while self._under_way:
            self._under_way.popleft().cancel()

    async def aclose(self) -> None:
        """:meth:`close`, as ``contextlib.aclosing`` calls it."""
        self.close()

    def __enter__(self) -> Sentences:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Close it."""
        self.close()


class _Begun:
    """What another thread has begun, if anything."""

    def __init__(self, following: _Following | None) -> None:
        self.following = following

    def cancel(self) -> None:
        if self.following is not None:
            self.following.cancel()
