"""One utterance of a call: read, and queued."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

from safeasr._extension import _ext
from safeasr.calls.os_threads import threads_are_green
from safeasr.calls.result_writer import Writer
from safeasr.deadlines import seconds_left
from safeasr.errors import InputError, QueueFullError
from safeasr.families.base import Recognizer
from safeasr.families.terms import Terms
from safeasr.inputs.arrays import DEFAULT_SAMPLE_RATE
from safeasr.inputs.recording import Recording
from safeasr.inputs.utterance import Utterance
from safeasr.observability.moments import InputMoments
from safeasr.options.call import CallOptions
from safeasr.pair import Pair

__all__ = ["FollowedRecognizer", "Serving", "Tell", "submit_utterance"]

#: Who is told of sentences while a recording is still being recognised.
Tell = Callable[[dict[str, Any]], object]
#: How often a greenlet looks for room in the queue.
_LOOK_AGAIN_S: Final = 0.005


@runtime_checkable
class FollowedRecognizer(Recognizer, Protocol):
    """A recogniser that takes recordings while they are decoded, and tells of sentences."""

    def follow(
        self,
        engine: _ext.Engine,
        data: Recording,
        options: Mapping[str, Any],
        terms: Terms,
        tell: Tell | None,
    ) -> _ext.Ticket:
        """Queue one recording.

        Args:
            engine: that all models run on.
            data: the recording.
            options: of the call.
            terms: on which it is submitted.
            tell: is told of each sentence, an entry of ``sentence_info``, once it is final, and of
                each segment that failed, an entry of ``errors``; on any thread, and in order.
        """


@dataclass(frozen=True)
class Serving:
    """What all calls of a model share.

    Attributes:
        recognizer: the model.
        engine: where it runs.
        writer: of result files.
        ahead: how many utterances of a call that waits are in the engine at a time.
    """

    recognizer: Recognizer
    engine: _ext.Engine
    writer: Writer
    ahead: int


def submit_utterance(
    serving: Serving,
    utterance: Utterance,
    options: CallOptions,
    deadline: float | None,
    moments: InputMoments,
    *,
    no_waiting: bool,
    own: bool,
    tell: Tell | None,
) -> _ext.Ticket:
    """Read an utterance, or begin to, and queue it.

    Args:
        serving: of the model.
        utterance: what to recognise.
        options: of the call.
        deadline: of the call, or None.
        moments: of the utterance.
        no_waiting: not even for room in the queue.
        own: the caller does not wait, and may change what it gave meanwhile.
        tell: as of :class:`FollowedRecognizer`; of other models nothing can be told.
    """
    try:
        return _submit(serving, utterance, options, deadline, moments, no_waiting, own, tell)
    except BaseException as error:
        moments.failed(error)
        raise


def _submit(
    serving: Serving,
    utterance: Utterance,
    options: CallOptions,
    deadline: float | None,
    moments: InputMoments,
    no_waiting: bool,
    own: bool,
    tell: Tell | None,
) -> _ext.Ticket:
    recognizer, engine = serving.recognizer, serving.engine
    cached = options.family.get("cache") is not None
    rate: int | None = None
    if cached and recognizer.streams and _states_no_rate(utterance):
        # Its stream resamples it, across chunks.
        rate = DEFAULT_SAMPLE_RATE if options.fs is None else options.fs
        native = recognizer.sample_rate
        utterance = replace(utterance, fs=native, sample_rate=native)
    submit: Callable[[Terms], _ext.Ticket]
    if isinstance(recognizer, FollowedRecognizer):
        recording = utterance.open(deadline=deadline, own=own)
        submit = partial(recognizer.follow, engine, recording, options.family, tell=tell)
    else:
        # The last piece of a stream may well be empty.
        data = utterance.load(allow_empty=cached, deadline=deadline)
        samples = data.samples if isinstance(data, Pair) else data
        heard = utterance.kind == "sound" and not isinstance(samples, str)
        moments.read(len(samples) / (rate or recognizer.sample_rate) if heard else 0.0)
        submit = partial(recognizer.submit, engine, data, options.family)
    left = seconds_left(deadline)
    terms = Terms(
        from_file=utterance.from_file,
        deadline=deadline,
        room_until=time.monotonic() if no_waiting else deadline,
        rate=rate,
        moments=moments,
    )
    try:
        return _when_there_is_room(submit, terms)
    except InputError as error:
        named = f"input {utterance.index} (key "
        if str(error).startswith(named):  # it was being read
            raise
        raise type(error)(f"{named}{utterance.key!r}): {error}") from error
    except QueueFullError as error:
        waited = "" if no_waiting or left is None else f" and stayed so for {left:.3g} s"
        raise QueueFullError(f"{error}{waited}") from None


def _when_there_is_room(submit: Callable[[Terms], _ext.Ticket], terms: Terms) -> _ext.Ticket:
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


def _states_no_rate(utterance: Utterance) -> bool:
    """Whether its samples are at the rate that the call says: all but files."""
    return utterance.kind == "sound" and not utterance.from_file
