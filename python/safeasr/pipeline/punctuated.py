"""Utterances with marks: a recogniser with a punctuation model behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeasr._extension import _ext
from safeasr.families.base import Accepts, Recognizer
from safeasr.families.terms import Terms
from safeasr.pipeline.punctuation import Punctuation
from safeasr.pipeline.runs import BoundedRun, Runs
from safeasr.pipeline.steps import Steps

__all__ = ["PunctuatedRecognizer"]


class PunctuatedRecognizer:
    """A recogniser of utterances with a punctuation model behind it; itself a recogniser."""

    def __init__(self, main: Recognizer, punctuation: Punctuation, runs: Runs) -> None:
        """Join two loaded models.

        Args:
            main: gives the text.
            punctuation: puts the marks.
            runs: where utterances that are under way are noted.
        """
        self._main = main
        self._punctuation = punctuation
        self._runs = runs
        self.task, self.streams = main.task, False
        self.accepts: tuple[Accepts, ...] = main.accepts
        self.sample_rate = main.sample_rate
        self.options = main.options | punctuation.options

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._main.check(options)
        self._punctuation.check(options)

    def submit(
        self, engine: _ext.Engine, data: Any, options: Mapping[str, Any], terms: Terms
    ) -> _ext.Ticket:
        """Queue one utterance."""
        return BoundedRun(self._steps(engine, data, options, terms), self._runs).begun(
            terms.patience
        )

    def _steps(
        self, engine: _ext.Engine, data: Any, options: Mapping[str, Any], terms: Terms
    ) -> Steps:
        ticket = self._main.submit(engine, data, options, terms)
        try:
            raw = yield ticket
        finally:
            ticket.cancel()
        result = self._main.finish(raw, "", options)
        finished = yield from self._punctuation.of_utterance(engine, result, options, terms)
        return finished

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's result dict."""
        return {**result, "key": key}
