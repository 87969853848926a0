"""The punctuation model behind a recogniser: marks in the text, and sentences with their times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from safeasr._extension import _ext
from safeasr.calls.inbox import Inbox
from safeasr.families.base import FollowingPunctuator, Punctuator
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.live_text import LiveText, Piece
from safeasr.pipeline.steps import SideRun, Steps
from safeasr.text.sentences import (
    punctuate_surface,
    sentences_by_order,
    sentences_of_pieces,
    sentences_of_surface,
    times_of_tokens,
)

__all__ = ["MarkedText", "Punctuation", "punctuation_of"]

#: More words than any text has.
_ALL: Final = 2**62
_RAW = Option("return_raw_text", FLAG, False, help="The text without marks, too (raw_text).")


class MarkedText(NamedTuple):
    """The text of a recording.

    Attributes:
        text: without marks.
        marked: with them.
        numbers: of the marks behind its words; None if it is blank.
    """

    text: str
    marked: str
    numbers: list[int] | None


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

    def begin(
        self,
        engine: _ext.Engine,
        options: Mapping[str, Any],
        terms: Terms,
        tell: Callable[[dict[str, Any]], object] | None = None,
    ) -> tuple[SideRun, Inbox[Piece]]:
        """Punctuate a recording while its pieces are still being recognised.

        Args:
            engine: that all models run on.
            options: of the call.
            terms: of a later stage of the recording.
            tell: is told of sentences as they become final, if :attr:`tells_sentences`.

        Returns:
            The ticket of the :class:`MarkedText`, and what its pieces go into.
        """
        read: Inbox[Piece] = Inbox(1)
        # Whoever follows it must not wait for the segments that are ahead.
        terms = terms.later_stage(live=tell is not None)
        run = SideRun(self._follow(engine, read, options, terms, tell))
        run.begin()
        return run, read

    @property
    def tells_sentences(self) -> bool:
        """Whether sentences are final before the text has ended."""
        return isinstance(self._model, FollowingPunctuator) and self._model.splits_anywhere

    def _follow(
        self,
        engine: _ext.Engine,
        read: Inbox[Piece],
        options: Mapping[str, Any],
        terms: Terms,
        tell: Callable[[dict[str, Any]], object] | None,
    ) -> Steps:
        model = self._model
        split = model.split if isinstance(model, FollowingPunctuator) else model.words_of
        tells = tell is not None and self.tells_sentences
        text = LiveText(read, split, as_it_comes=self.tells_sentences, for_sentences=tells)
        own = {**self._defaults, **self._own.own(options)}
        raw = bool(options.get("return_raw_text"))

        def sentences(marked: list[str], numbers: list[int]) -> None:
            if tell is not None and tells:
                for sentence in text.sentences(marked, numbers, model.marks, raw=raw):
                    tell(sentence)

        try:
            if isinstance(model, FollowingPunctuator):
                found = yield from model.follow(engine, text, own, terms, sentences)
            else:
                yield from text.beyond(_ALL)
                found = yield from model.steps(engine, text.text, own, terms)
        finally:
            read.abandon()
        if tell is not None and tells:
            for failure in text.failures():
                tell(failure)
        result = model.finish(found, "", own)
        numbers = result["punc_array"]
        return MarkedText(text.text, result["text"], None if numbers is None else numbers.tolist())

    def of_recording(
        self,
        marked: MarkedText,
        combined: dict[str, Any],
        results: Sequence[Mapping[str, Any]],
        segments: Sequence[Sequence[int]],
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """A recording's result with its text punctuated, and its sentences if they are asked for.

        Args:
            marked: its text.
            combined: of all pieces.
            results: of each, with times from the beginning of the recording.
            segments: ``[start_ms, end_ms]`` of each.
            options: of the call.
        """
        text, punctuated, numbers = marked
        words, times = combined.get("words", []), combined.get("timestamp", [])
        named = 0 < len(words) == len(times) and all(one.strip() for one in words)
        tokens = self._model.words_of(text) if named and numbers else []
        if numbers is None or len(tokens) != len(numbers):
            tokens = []
        if tokens and numbers is not None:
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
