"""The sentences of recordings while these are still being recognised: a loop's view of a call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from safeasr._extension import _ext
from safeasr.calls.awaiting import Readers
from safeasr.calls.call import ENDS, WRONG, Call, failed
from safeasr.calls.dispatcher import STEPS, forbid_waiting
from safeasr.calls.future import Future
from safeasr.calls.inbox import Inbox
from safeasr.calls.submission import FollowedRecognizer
from safeasr.calls.waiting import wait_for
from safeasr.deadlines import seconds_left
from safeasr.errors import DeadlineExceededError, QueueFullError, SafeASRError
from safeasr.inputs.expand import waits_for_others
from safeasr.observability.watches import CallWatch

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


class _Begun:
    """What another thread did. It takes it back itself if the loop was left meanwhile."""

    def cancel(self) -> None:
        """Nothing."""


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
        watch: CallWatch,
        *,
        waits_for_others: bool,
    ) -> None:
        """Nothing is read yet.

        Args:
            begin: expands the input.
            readers: of the model, for loops on asyncio.
            deadline: time of the monotonic clock at which all of it ends; None: no limit.
            watch: counts and times it.
            waits_for_others: whether audio comes over a network.
        """
        self._begin = begin
        self._readers = readers
        self._deadline = deadline
        self._watch = watch
        self._waits_for_others = waits_for_others
        self._call: Call | None = None
        self._next = 0
        self._under_way: deque[_Following] = deque()
        self._is_full = False
        self._refusals: deque[Result] = deque()
        self._results: list[Result] = []
        self._closed = False

    # -- Inputs -----------------------------------------------------------------------------------

    def _wants_more(self) -> bool:
        """Whether one more input should be under way.

        Beside the first one only those that can be read and queued at once: what is told of the
        first must not wait for others.
        """
        if self._call is None or not self._under_way:
            return self._call is None or self._next < len(self._call.utterances)
        serving, utterances = self._call.serving, self._call.utterances
        follows = isinstance(serving.recognizer, FollowedRecognizer)
        ahead = _RECORDINGS if follows else serving.ahead
        if self._next == len(utterances) or len(self._under_way) >= ahead or self._is_full:
            return False
        return not waits_for_others(utterances[self._next].source)

    def _begin_next(self) -> None:
        """Read and queue the next input, if there is one."""
        if self._call is None:
            self._call = self._begin()
        if self._next == len(self._call.utterances):
            return
        following = _Following(self._next)
        ahead = bool(self._under_way)
        self._under_way.append(following)  # first: whatever happens, it is cancelled with them
        try:
            following.begin(self._submitted(self._call, following, ahead))
        except QueueFullError:  # when the first one has ended
            with suppress(IndexError):  # closed meanwhile
                self._under_way.pop()
            self._watch.put_off(following.index)
            self._is_full = True
            return
        self._next += 1
        if self._closed:
            following.cancel()

    def _submitted(self, call: Call, following: _Following, ahead: bool) -> _ext.Ticket:
        utterance = call.utterances[following.index]
        try:
            return call.submit(utterance, no_waiting=ahead, tell=following.inbox.put)
        except WRONG:
            raise
        except SafeASRError as error:  # those before it come first
            if ahead and isinstance(error, QueueFullError):
                raise
            return failed(error)

    def _told(self) -> Result | None:
        """The next sentence, if one is there."""
        while self._under_way:
            first = self._under_way[0]
            told = first.inbox.take()
            if told is not None:
                return self._named(first, told)
            if not first.inbox.ended:
                return None
            if (last := self._ended(first)) is not None:
                return last
        return None

    def _ended(self, first: _Following) -> Result | None:
        """What is still to be told of an input that has ended; raises its error."""
        assert self._call is not None
        assert first.ticket is not None
        result = self._call.outcome(first.index, first.ticket)
        if isinstance(result.get("error"), ENDS):
            raise result["error"]
        self._under_way.popleft()
        self._is_full = False
        if self._call.options.output_dir is not None:
            self._results.append(result)
        told = isinstance(self._call.serving.recognizer, FollowedRecognizer)
        return None if told and "error" not in result else self._call.corrected(result)

    def _cut_short(self, error: BaseException) -> None:
        """End the loop with an error: raised, or in the places of what is left."""
        call = self._call
        first = self._under_way[0].index if self._under_way else self._next
        if call is None or not (call.options.keep_errors and isinstance(error, ENDS)):
            self._watch.failed(error)
            self.close()
            raise error
        self._watch.answered()
        self.close()
        left = range(first, len(call.utterances))
        self._refusals.extend(call.refusal(index, error) for index in left)
        call.write(self._results)

    def _named(self, first: _Following, told: Result) -> Result:
        assert self._call is not None
        return {
            "key": self._call.utterances[first.index].key,
            **self._call.corrected_sentence(told),
        }

    def _late(self) -> DeadlineExceededError:
        return DeadlineExceededError("the timeout passed before the next sentence was there")

    def _at_the_end(self) -> bool:
        """Whether everything was told; writes the results then."""
        if self._under_way or self._closed:
            return self._closed
        self._closed = True
        if self._call is not None:
            self._call.write(self._results)
        self._watch.answered()
        return True

    # -- Loops ------------------------------------------------------------------------------------

    def __iter__(self) -> Sentences:
        """Itself."""
        return self

    def __next__(self) -> Result:
        """The next sentence."""
        forbid_waiting()
        try:
            while not self._closed:
                if (told := self._told()) is not None:
                    return told
                if self._wants_more():
                    self._begin_next()
                elif not self._at_the_end():
                    self._wait_here()
        except BaseException as error:
            self._cut_short(error)
        if self._refusals:
            return self._refusals.popleft()
        raise StopIteration

    def _wait_here(self) -> None:
        if not wait_for(self._under_way[0].inbox.more(), seconds_left(self._deadline)):
            raise self._late()

    def __aiter__(self) -> Sentences:
        """Itself."""
        return self

    async def __anext__(self) -> Result:
        """The next sentence; neither reading nor waiting blocks the event loop."""
        try:
            while not self._closed:
                if (told := self._told()) is not None:
                    return told
                if self._wants_more():
                    await self._begin_elsewhere()
                elif not self._at_the_end():
                    await self._wait()
        except BaseException as error:
            self._cut_short(error)
        if self._refusals:
            return self._refusals.popleft()
        raise StopAsyncIteration

    async def _begin_elsewhere(self) -> None:
        def begin() -> _Begun:
            self._begin_next()
            return _Begun()

        await self._readers.start(begin, self._deadline, waits_for_others=self._waits_for_others)

    async def _wait(self) -> None:
        waiting = Future([self._under_way[0].inbox.more()], lambda: None)
        try:
            await asyncio.wait_for(waiting.settled(), seconds_left(self._deadline))
        except (TimeoutError, asyncio.TimeoutError):
            raise self._late() from None

    def close(self) -> None:
        """Cancel what is not finished; no sentence follows."""
        self._let_go()
        self._watch.cancelled()  # unless it has ended before

    def _let_go(self) -> None:
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
        """Close it, and tell nobody: this may be any thread, within anything."""
        self._watch.forgotten()
        self._let_go()
