"""One call of ``generate`` or ``submit``: from its arguments to its results."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from safeasr._extension import _ext
from safeasr.calls.dispatcher import forbid_waiting, on_callback_thread
from safeasr.calls.future import Future
from safeasr.calls.progress import Progress
from safeasr.calls.promise import Promise
from safeasr.calls.result_writer import once
from safeasr.calls.submission import Serving, Tell, submit_utterance
from safeasr.calls.waiting import wait_for
from safeasr.deadlines import seconds_left
from safeasr.errors import (
    DeadlineExceededError,
    EngineClosedError,
    ForkedProcessError,
    InterruptedCallError,
    OptionError,
    OutputError,
    QueueFullError,
    SafeASRError,
)
from safeasr.families.base import NBest
from safeasr.inputs.utterance import Utterance
from safeasr.observability.watches import CallWatch
from safeasr.options.call import CallOptions
from safeasr.text.hotwords import HotwordCorrector

__all__ = ["ENDS", "WRONG", "Call", "failed"]

#: Long recordings of one call that are being read at a time.
_READ_AT_A_TIME = 8
#: What ends a call as a whole: no input is to blame, and those that follow would fail too.
ENDS = (DeadlineExceededError, QueueFullError, EngineClosedError)
#: What says that the call was wrong.
WRONG = (OptionError, InterruptedCallError, ForkedProcessError)

Result = dict[str, Any]
Slots = list[Result | None]


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        serving: of its model.
        options: of the call.
        corrector: of hotwords, or None.
        deadline: of the monotonic clock, or None.
        utterances: its input.
        watch: counts and times it.
    """

    serving: Serving
    options: CallOptions
    corrector: HotwordCorrector | None
    deadline: float | None
    utterances: Sequence[Utterance]
    watch: CallWatch

    # -- Waiting ----------------------------------------------------------------------------------

    def run(self, progress: Callable[[int, int], object] | None) -> list[Result]:
        """Recognise all, a few at a time; returns the results in order.

        What it raises, Ctrl-C too, has an attribute ``results`` with what was done by then.
        """
        forbid_waiting()
        slots: Slots = [None] * len(self.utterances)
        pending: deque[tuple[int, _ext.Ticket]] = deque()
        bar = not self.options.disable_pbar and self.options.family.get("cache") is None
        with Progress(len(slots), bar=bar, callback=progress) as shown:
            try:
                self._run(slots, pending, shown)
            except BaseException as error:
                self._let_go(slots, pending)
                return self._cut_short(slots, error)
        return self._complete(slots)

    def _run(self, slots: Slots, pending: deque[tuple[int, _ext.Ticket]], shown: Progress) -> None:
        def take_first() -> None:
            index, ticket = pending[0]
            if not wait_for(ticket, seconds_left(self.deadline)):
                done = sum(one is not None for one in slots)
                raise DeadlineExceededError(f"the timeout passed with {done} of {len(slots)} done")
            slots[index] = self.outcome(index, ticket)
            pending.popleft()
            shown.step()

        first: SafeASRError | None = None
        for index in range(len(slots)):
            while self._is_enough(pending):
                take_first()
            try:
                pending.append((index, self.submit(self.utterances[index])))
            except (*ENDS, *WRONG):
                raise
            except SafeASRError as error:
                if not self.options.keep_errors:
                    first = error  # those before it are finished first
                    break
                pending.append((index, failed(error)))
        while pending:
            take_first()
        if first is not None:
            raise first

    def _is_enough(self, pending: Sequence[tuple[int, _ext.Ticket]]) -> bool:
        """Whether what waits keeps the engine busy."""
        if len(pending) >= self.serving.ahead:
            return True
        read = sum(isinstance(ticket, Promise) and ticket.reading for _, ticket in pending)
        return read >= _READ_AT_A_TIME

    def _let_go(self, slots: Slots, pending: deque[tuple[int, _ext.Ticket]]) -> None:
        """Take back what is not finished; keep what is."""
        for index, ticket in pending:
            if ticket.finished() and ticket.state != "cancelled":
                try:
                    slots[index] = self.outcome(index, ticket)
                except Exception:  # its own error; the call has failed with another
                    continue
            else:
                ticket.cancel()

    def _cut_short(self, slots: Slots, error: BaseException) -> list[Result]:
        """The answer of a call that ended early: its errors in their places, or raised."""
        if self.options.keep_errors and isinstance(error, ENDS):
            filled = [
                self.refusal(index, error) if one is None else one
                for index, one in enumerate(slots)
            ]
            return self._complete(filled)
        raise self._with_results(error, slots)

    # -- Not waiting ------------------------------------------------------------------------------

    def start(self, *, no_waiting: bool, alone: bool = False) -> Future[list[Result]]:
        """Queue all; returns at once.

        Args:
            no_waiting: not even for room in the queue.
            alone: nobody waits here: the call ends with its tickets.
        """
        no_waiting = no_waiting or on_callback_thread()
        tickets: list[_ext.Ticket] = []
        late: DeadlineExceededError | None = None
        try:
            for utterance in self.utterances:
                try:
                    if late is not None:
                        raise late  # not even read
                    tickets.append(self.submit(utterance, no_waiting=no_waiting, own=True))
                except (QueueFullError, EngineClosedError, *WRONG):
                    raise
                except SafeASRError as error:
                    if not self.options.keep_errors:
                        raise
                    late = error if isinstance(error, DeadlineExceededError) else late
                    tickets.append(failed(error))
            if alone:
                self.watch.follow(tickets, self.options.keep_errors)
        except BaseException:
            for ticket in tickets:
                ticket.cancel()
            raise
        write = once(self.write)

        def collect() -> list[Result]:
            slots: Slots = []
            first: Exception | None = None
            for index, ticket in enumerate(tickets):
                try:
                    slots.append(self.outcome(index, ticket))
                except Exception as error:
                    slots.append(None)
                    first = first or error
            self.watch.collected(tickets, first)
            if first is not None:
                raise self._with_results(first, slots)
            return self._complete(slots, write)

        def cut_short(error: BaseException) -> list[Result]:
            slots: Slots = [None] * len(tickets)
            self._let_go(slots, deque(enumerate(tickets)))
            return self._cut_short(slots, error)

        return Future(tickets, collect, cut_short)

    # -- One utterance ----------------------------------------------------------------------------

    def submit(
        self,
        utterance: Utterance,
        *,
        no_waiting: bool = False,
        own: bool = False,
        tell: Tell | None = None,
    ) -> _ext.Ticket:
        """Read and queue one of its utterances.

        Args:
            utterance: of the call.
            no_waiting: not even for room in the queue.
            own: the caller does not wait, and may change what it gave meanwhile.
            tell: as of :class:`FollowedRecognizer`, if the model is one.
        """
        return submit_utterance(
            self.serving,
            utterance,
            self.options,
            self.deadline,
            self.watch.input(utterance.index, utterance.key),
            no_waiting=no_waiting,
            own=own,
            tell=tell,
        )

    def outcome(self, index: int, ticket: _ext.Ticket) -> Result:
        """The result of a finished request, or its error where that is wanted."""
        utterance = self.utterances[index]
        moments = self.watch.taken(utterance.index)
        began, done = time.monotonic(), ticket.finished_s
        try:
            result = self.serving.recognizer.finish(
                ticket.get(), utterance.key, self.options.family
            )
        except Exception as error:
            if moments is not None:
                moments.failed(error, done)
            if not self.options.keep_errors or not isinstance(error, SafeASRError):
                raise
            return self.refusal(index, error)
        if moments is not None:
            moments.told(began, done)
        return result

    def refusal(self, index: int, error: BaseException) -> Result:
        """What stands in the place of an input that failed."""
        self.watch.kept(index, error)
        return {"key": self.utterances[index].key, "error": error}

    # -- All of them ------------------------------------------------------------------------------

    def _complete(
        self,
        slots: Sequence[Result | None],
        write: Callable[[Sequence[Result]], None] | None = None,
    ) -> list[Result]:
        results = [one for one in slots if one is not None]
        try:
            (write or self.write)(results)
        except OutputError as error:
            self._with_results(error, results)
            raise
        return [
            self.corrected(one)
            for best in results
            for one in ((best, *best.others) if isinstance(best, NBest) else (best,))
        ]

    def write(self, results: Sequence[Result]) -> None:
        """Write the results of all inputs to ``output_dir``, if there is one."""
        if self.options.output_dir is not None:
            self.serving.writer.write(self.options.output_dir, results)

    def corrected(self, result: Result) -> Result:
        """A result after the correction of hotwords, if there is one."""
        if self.corrector is None or "error" in result:
            return result
        matches = bool(self.options.hotwords.get("return_postprocess_hotword_matches", False))
        return self.corrector.apply_result(result, matches)

    def corrected_sentence(self, sentence: Result) -> Result:
        """An entry of ``sentence_info`` after the correction."""
        if self.corrector is None or "error" in sentence:
            return sentence
        whole = {"text": sentence["text"], "sentence_info": [sentence]}
        corrected: Result = self.corrector.apply_result(whole)["sentence_info"][0]
        return corrected

    def _with_results(self, error: BaseException, slots: Sequence[Result | None]) -> BaseException:
        done = [None if one is None else self.corrected(one) for one in slots]
        error.results = done  # type: ignore[attr-defined]
        return error


def failed(error: SafeASRError) -> _ext.Ticket:
    """The ticket of an input that never came to the engine."""
    promise = Promise()
    promise.fail(error)
    return promise
