"""One call of ``generate`` or ``submit``: from its arguments to its results."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from safeasr._extension import _ext
from safeasr.calls.dispatcher import forbid_waiting, on_callback_thread
from safeasr.calls.future import Future
from safeasr.calls.os_threads import threads_are_green
from safeasr.calls.result_writer import ResultWriter
from safeasr.calls.waiting import wait_for
from safeasr.deadlines import seconds_left
from safeasr.errors import AudioError, DeadlineExceededError, QueueFullError
from safeasr.families.base import Recognizer
from safeasr.families.terms import Terms
from safeasr.inputs.expand import Utterance, expand_inputs
from safeasr.inputs.hotwords import with_hotwords_read
from safeasr.options.call import CallOptions, call_options
from safeasr.options.model import ModelOptions
from safeasr.text.hotwords import apply_postprocess_hotwords

__all__ = ["Call", "Calls"]

_log = logging.getLogger("safeasr")
#: How often a greenlet looks for room in the queue.
_LOOK_AGAIN_S = 0.005


class Calls:
    """Makes calls: what all calls of a model share. Immutable but for the files it writes."""

    def __init__(
        self,
        recognizer: Recognizer,
        engine: _ext.Engine,
        options: ModelOptions,
        require_open: Callable[[], None],
    ) -> None:
        """Remember what calls need.

        Args:
            recognizer: the model.
            engine: where it runs.
            options: of the constructor.
            require_open: raises EngineClosedError once the model is being closed.
        """
        self.require_open = require_open
        self.recognizer = recognizer
        self.engine = engine
        self.options = options
        self.writer = ResultWriter()
        # Far enough ahead to keep the workers in full batches, near enough not to decode a whole
        # list of files into memory or to fill the queue for everyone else.
        devices = options.device.count(",") + 1
        self.ahead = 2 * options.max_batch_size * options.num_workers * devices

    def deadline(self, timeout: float | None) -> float | None:
        """When a call with that time limit ends; None: the model's limit."""
        limit = self.options.timeout if timeout is None else timeout
        return None if limit is None else time.monotonic() + limit

    def check(self, options: Mapping[str, Any]) -> CallOptions:
        """Sort and check the options of a call; on the caller's thread, whose line is blamed."""
        self.require_open()
        call = call_options(options, self.options, self.recognizer.options)
        self.recognizer.check(call.family)
        return call

    def begin(
        self,
        input: Any,
        input_len: Any,
        call: CallOptions,
        timeout: float | None,
        *,
        unlimited: bool = False,
    ) -> Call:
        """Expand the input of a call and read its hotwords; no audio is read, nothing queued."""
        deadline = None if unlimited else self.deadline(timeout)
        call = replace(
            call, family=with_hotwords_read(call.family, self.recognizer.options, deadline)
        )
        utterances = expand_inputs(
            input,
            key=call.key,
            fs=call.fs,
            data_type=call.data_type,
            input_len=input_len,
            sample_rate=self.recognizer.sample_rate,
            deadline=deadline,
        )
        return Call(self, call, deadline, utterances)


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        calls: of its model.
        options: of the call.
        deadline: of the monotonic clock, or None.
        utterances: its input.
    """

    calls: Calls
    options: CallOptions
    deadline: float | None
    utterances: Sequence[Utterance]

    def run(self, progress: Callable[[int, int], object] | None) -> list[dict[str, Any]]:
        """Recognise all, a few at a time; returns the results in order."""
        forbid_waiting()
        results: list[dict[str, Any]] = []
        pending: deque[tuple[Utterance, _ext.Ticket]] = deque()
        total = len(self.utterances)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(lambda: [ticket.cancel() for _, ticket in pending])
            bar = self._progress_bar()
            if bar is not None:
                cleanup.callback(bar.close)

            def take_first() -> None:
                utterance, ticket = pending[0]
                if not wait_for(ticket, seconds_left(self.deadline)):
                    raise DeadlineExceededError(
                        f"the timeout passed with {len(results)} of {total} done"
                    )
                results.append(self._finish(utterance, ticket))
                pending.popleft()
                if bar is not None:
                    bar.update(1)
                if progress is not None:
                    try:
                        progress(len(results), total)
                    except Exception:
                        _log.exception("progress_callback raised")

            for utterance in self.utterances:
                if len(pending) >= self.calls.ahead:
                    take_first()
                pending.append((utterance, self._submit(utterance)))
            while pending:
                take_first()
        return self._complete(results)

    def start(self, *, no_waiting: bool) -> Future[list[dict[str, Any]]]:
        """Queue all; returns at once. no_waiting: not even for room in the queue."""
        no_waiting = no_waiting or on_callback_thread()
        tickets: list[_ext.Ticket] = []
        try:
            for utterance in self.utterances:
                tickets.append(self._submit(utterance, no_waiting=no_waiting))
        except BaseException:
            for ticket in tickets:
                ticket.cancel()
            raise

        def collect() -> list[dict[str, Any]]:
            pairs = zip(self.utterances, tickets, strict=True)
            return self._complete([self._finish(u, t) for u, t in pairs])

        return Future(tickets, collect)

    def _submit(self, utterance: Utterance, *, no_waiting: bool = False) -> _ext.Ticket:
        # The last piece of a stream may well be empty.
        empty = self.options.family.get("cache") is not None
        data = utterance.load(allow_empty=empty, deadline=self.deadline)
        left = seconds_left(self.deadline)
        terms = Terms(
            from_file=utterance.from_file,
            deadline=self.deadline,
            room_until=time.monotonic() if no_waiting else self.deadline,
        )
        try:
            return self._submit_on(terms, data)
        except AudioError as error:
            raise type(error)(
                f"input {utterance.index} (key {utterance.key!r}): {error}"
            ) from error
        except QueueFullError as error:
            waited = "" if no_waiting or left is None else f" and stayed so for {left:.3g} s"
            raise QueueFullError(f"{error}{waited}") from None

    def _submit_on(self, terms: Terms, data: Any) -> _ext.Ticket:
        submit = partial(self.calls.recognizer.submit, self.calls.engine, data, self.options.family)
        if not threads_are_green():
            return submit(terms)
        # The engine would wait for room on the thread of all greenlets.
        while True:
            try:
                return submit(replace(terms, room_until=time.monotonic()))
            except QueueFullError:
                if terms.patience() == 0:
                    raise
                time.sleep(_LOOK_AGAIN_S)

    def _finish(self, utterance: Utterance, ticket: _ext.Ticket) -> dict[str, Any]:
        return self.calls.recognizer.finish(ticket.get(), utterance.key, self.options.family)

    def _complete(self, results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        if self.options.output_dir is not None:
            self.calls.writer.write(self.options.output_dir, results)
        return apply_postprocess_hotwords(results, **self.options.hotwords)

    def _progress_bar(self) -> Any:
        if self.options.disable_pbar or self.options.family.get("cache") is not None:
            return None
        from tqdm import tqdm

        return tqdm(total=len(self.utterances), colour="blue", dynamic_ncols=True)
