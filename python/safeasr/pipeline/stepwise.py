"""Models that need several requests for an utterance: as recognisers like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, MutableMapping
from typing import Any, TypeGuard, cast

from safeasr._extension import _ext
from safeasr.calls.os_threads import allocate_rlock
from safeasr.errors import OptionError
from safeasr.families.base import LoadedModel, Recognizer, StepwiseRecognizer
from safeasr.families.cached import CACHE_ENTRY
from safeasr.families.terms import Terms
from safeasr.pipeline.runs import Runs
from safeasr.pipeline.steps import Run, Steps

__all__ = ["as_recognizer", "is_recognizer"]


def is_recognizer(model: LoadedModel) -> TypeGuard[Recognizer]:
    """Whether a model's answer to an utterance is one request."""
    return hasattr(model, "submit")


def as_recognizer(model: Recognizer | StepwiseRecognizer, runs: Runs) -> Recognizer:
    """The model itself, or as one whose answers are one ticket each.

    Args:
        model: what was loaded.
        runs: where utterances that are under way are noted.
    """
    if is_recognizer(model):
        return model
    return _Stepwise(cast(StepwiseRecognizer, model), runs)


class _Turns:
    """Whose turn it is with a cache: whoever comes waits for all that came before."""

    def __init__(self) -> None:
        self._lock = allocate_rlock()
        self._waiting: list[_Utterance] = []

    def take(self, run: _Utterance) -> list[_Utterance]:
        """Become the last; returns those before that have not ended."""
        with self._lock:
            self._waiting.append(run)  # first: a signal handler that comes now stands behind
            before = self._waiting[: self._waiting.index(run)]
        return [one for one in before if not one.finished()]

    def leave(self, run: _Utterance) -> None:
        """Let the next one go on."""
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)


class _Utterance(Run):
    """An utterance on its way."""

    def __init__(self, runs: Runs) -> None:
        super().__init__()
        self.todo: Steps | None = None
        self.turns: _Turns | None = None
        self.before: list[_Utterance] = []
        self.submitted_by: int | None = _ext.thread_id()
        self._runs = runs

    def is_interrupted(self) -> bool:
        """Whether the calling thread submits it or is at its steps: this is a signal handler."""
        return self.submitted_by == _ext.thread_id() or super().runs_here()

    def runs_here(self) -> bool:
        """Nor can it be waited for while one before it is interrupted."""
        return self.is_interrupted() or any(
            one.is_interrupted() for one in self.before if not one.finished()
        )

    def require_elsewhere(self) -> None:
        super().require_elsewhere()
        self._runs.require_elsewhere()

    def steps(self) -> Steps:
        assert self.todo is not None
        return self.todo

    def ended(self) -> None:
        self._runs.remove(self)
        self.before = []  # futures that are kept must not keep all that came before them
        if self.turns is not None:
            self.turns.leave(self)


class _Stepwise:
    """A stepwise model as a recogniser. Calls with one ``cache`` are answered in their order."""

    def __init__(self, main: StepwiseRecognizer, runs: Runs) -> None:
        self._main = main
        self._runs = runs
        self.task, self.accepts, self.streams = main.task, main.accepts, main.streams
        self.sample_rate, self.options = main.sample_rate, main.options

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._main.check(options)

    def submit(
        self, engine: _ext.Engine, data: Any, options: Mapping[str, Any], terms: Terms
    ) -> _ext.Ticket:
        """Queue one utterance."""
        run = _Utterance(self._runs)
        try:
            if options.get("cache") is None:
                run.todo = self._main.steps(engine, data, options, terms)
            else:
                run.todo = self._in_turn(run, engine, data, options, terms)
            try:
                self._runs.add_when_there_is_room(run, terms.patience)
            except BaseException:
                run.cancel()  # whoever comes next with this cache waits for it
                run.ended()
                raise
            ended = run.begin()
        finally:
            run.submitted_by = None
        if ended:
            run.get()  # what was refused at once is raised at once
        return run

    def _in_turn(
        self,
        run: _Utterance,
        engine: _ext.Engine,
        data: Any,
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """The steps of a call with a cache, which changes at their end or not at all."""
        cache: MutableMapping[str, Any] = options["cache"]
        turns = cache.setdefault(CACHE_ENTRY, _Turns())
        if not isinstance(turns, _Turns):
            raise OptionError("this cache belongs to another model: begin with cache={}")
        run.turns = turns
        before = run.before = turns.take(run)

        def steps() -> Steps:
            wanted = terms
            for one in before:
                if not one.finished():
                    # One that failed left the cache as it was, and its caller knows.
                    with contextlib.suppress(Exception):
                        yield one
                    # Here is no thread that may wait for room.
                    wanted = terms.later_stage()
            own = dict(cache)
            result = yield from self._main.steps(engine, data, {**options, "cache": own}, wanted)
            if run.start():  # from here on it cannot be cancelled any more
                cache.update(own)
            return result

        return steps()

    def finish(self, result: Any, key: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """FunASR's result dict."""
        return self._main.finish(result, key, options)
