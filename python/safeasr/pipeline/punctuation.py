"""The punctuation model behind a recogniser: marks in the text, and sentences with their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from safeasr._extension import _ext
from safeasr.families.base import Accepts, Punctuator, Recognizer
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.runs import BoundedRun, Runs
from safeasr.pipeline.steps import Steps
from safeasr.text.sentences import (
    join_texts,
    punctuate_surface,
    sentences_by_order,
    sentences_of_pieces,
    sentences_of_surface,
    times_of_tokens,
)

__all__ = ["PunctuatedRecognizer", "Punctuation", "punctuation_of"]

_RAW = Option("return_raw_text", FLAG, False, help="The text without marks, too (raw_text).")


class Punctuation:
    """A punctuation model and the options that it was made with."""

    def __init__(self, model: Punctuator, defaults: Mapping[str, Any]) -> None:
        """Take a loaded model.

        Args:
            model: puts the marks.
            defaults: its options of the constructor (``punc_kwargs``).
        """
        self._model = model
        self._defaults = defaults
        # Callers give no cache: texts are whole ones, or of a stream, which has its own.
        self._own = model.options - ("cache",)
        self.options = self._own | Options(_RAW)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._model.check(self._own.own(options))

    def _read(
        self,
        engine: _ext.Engine,
        text: str,
        options: Mapping[str, Any],
        terms: Terms,
        cache: dict[str, Any] | None = None,
    ) -> Steps:
        """The text with its marks, and their numbers; None if it is blank."""
        own = {**self._defaults, **self._own.own(options)}
        if cache is not None and self.goes_on:
            own["cache"] = cache
        found = yield from self._model.steps(engine, text, own, terms)
        result = self._model.finish(found, "", own)
        numbers = result["punc_array"]
        return result["text"], None if numbers is None else numbers.tolist()

    @property
    def goes_on(self) -> bool:
        """Whether it takes text as it comes, and remembers what came before."""
        return "cache" in self._model.options

    def of_live(
        self,
        engine: _ext.Engine,
        text: str,
        cache: dict[str, Any],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """What comes next in a live text, with its marks.

        Args:
            engine: that all models run on.
            text: what comes next.
            cache: of the text, if the model remembers any; changed at the end.
            options: of the stream.
            terms: of the chunk.
        """
        marked, _ = yield from self._read(engine, text, options, terms, cache)
        return marked

    def of_utterance(
        self, engine: _ext.Engine, result: dict[str, Any], options: Mapping[str, Any], terms: Terms
    ) -> Steps:
        """An utterance's result with its text punctuated."""
        text = result["text"]
        punctuated, _ = yield from self._read(engine, text, options, terms.later_stage())
        raw = {"raw_text": text} if options.get("return_raw_text") else {}
        return {**result, **raw, "text": punctuated}

    def of_recording(
        self,
        engine: _ext.Engine,
        combined: dict[str, Any],
        results: Sequence[Mapping[str, Any]],
        segments: Sequence[Sequence[int]],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """A recording's result with its text punctuated, and its sentences if they are asked for.

        Args:
            engine: that both models run on.
            combined: of all pieces.
            results: of each, with times from the beginning of the recording.
            segments: ``[start_ms, end_ms]`` of each.
            options: of the call.
            terms: of the recording.
        """
        text = join_texts(result.get("text", "") for result in results)
        punctuated, numbers = yield from self._read(engine, text, options, terms.later_stage())
        words, times = combined.get("words", []), combined.get("timestamp", [])
        named = 0 < len(words) == len(times) and all(one.strip() for one in words)
        tokens = self._model.words_of(text) if named and numbers else []
        if numbers is None or len(tokens) != len(numbers):
            tokens = []
        if tokens:
            marks = self._model.marks
            punctuated = punctuate_surface(text, tokens, numbers, marks) or punctuated
        finished = {**combined, "text": punctuated}
        if options.get("return_raw_text"):
            finished["raw_text"] = combined["text"]
        if options.get("sentence_timestamp"):
            aligned = text
            if named and numbers and len(numbers) == len(words):
                aligned = " ".join(words)
            elif tokens and (shared := times_of_tokens(tokens, words, times)):
                aligned, times = " ".join(tokens), shared
            sentences = self._sentences(text, aligned, tokens, times, numbers, options)
            if sentences is None:
                sentences = sentences_of_pieces(results, segments)
            finished["sentence_info"] = sentences
        return finished

    def _sentences(
        self,
        text: str,
        aligned: str,
        tokens: Sequence[str],
        times: Sequence[Sequence[int]],
        numbers: Sequence[int] | None,
        options: Mapping[str, Any],
    ) -> list[dict[str, Any]] | None:
        """None if the marks do not fit the times."""
        if numbers is None or len(numbers) != len(times):
            return None
        raw = bool(options.get("return_raw_text"))
        if tokens:
            found = sentences_of_surface(text, tokens, times, numbers, self._model.marks, raw=raw)
            if found is not None:
                return found
        english = bool(options.get("en_post_proc"))
        return sentences_by_order(aligned.split(), times, numbers, english=english, raw=raw)


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


def punctuation_of(companions: Companions, defaults: Mapping[str, Any]) -> Punctuation | None:
    """The punctuation model beside a main one; None if there is none.

    Args:
        companions: the models beside it.
        defaults: as of :class:`Punctuation`.

    Raises:
        UnsupportedModelError: if it goes with no such model.
    """
    model = companions.punctuator()
    if model is None:
        return None
    companions.require_offline_recogniser("punc_model")
    return Punctuation(model, defaults)
