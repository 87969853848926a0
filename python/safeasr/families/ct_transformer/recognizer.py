"""A loaded CT-Transformer: texts to pieces, numbers of marks to punctuated text."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import UnsupportedModelError
from safeasr.families.base import Accepts, ComingWords, Task
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.options.declared import ANY, Option, Options, whole
from safeasr.text.punctuation import Marks, close_text, marked_words
from safeasr.text.word_split import characters_of_words, dictionary_cut, split_words

__all__ = ["OPTIONS", "SPLIT_SIZE", "CtTransformer", "Pieces", "Punctuated", "result_of"]

SPLIT_SIZE = Option(
    "split_size",
    whole("a whole number of at least 2", least=2, most=2**31),
    20,
    help="Words that are read at a time.",
)
OPTIONS = Options(
    SPLIT_SIZE, Option("vad_indexes", ANY, help="Nothing depends on it, as in FunASR.")
)


class Punctuated(NamedTuple):
    """A text with its marks.

    Attributes:
        text: with marks.
        numbers: what ``punc_array`` holds.
    """

    text: str
    numbers: list[int]


def result_of(punctuated: Punctuated | None, key: str) -> dict[str, Any]:
    """FunASR's result dict of a text; None is a blank one."""
    if punctuated is None:
        return {"key": key, "text": "", "punc_array": None}
    marks = torch.tensor(punctuated.numbers)
    return {"key": key, "text": punctuated.text, "punc_array": marks}


class Pieces:
    """Reads pieces of texts: those of all callers share batches."""

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            settings = bundle.settings
            self._unknown = settings.whole("unknown", most=len(bundle.tokens) - 1)
            marks = settings.texts("marks", least=1)
            end = settings.whole("sentence_end", most=len(marks) - 1)
            self.marks = Marks(tuple(marks), end)
            dictionary = "dictionary" in bundle.assets
            try:
                self.cut = dictionary_cut(bundle.asset("dictionary")) if dictionary else None
            except ImportError as error:
                raise UnsupportedModelError(str(error)) from error
        self.vocabulary = len(bundle.tokens)
        self._ids = {token: number for number, token in enumerate(bundle.tokens)}
        self.runner = _ext.RaggedRunner(
            program=program,
            outputs=["rows"],
            limits=_ext.BatchLimits(**limits, ragged=True),
        )

    def ids_of(self, words: list[str]) -> NDArray[np.int64]:
        """The numbers of words, (words,) int64."""
        ids = [self._ids.get(word, self._unknown) for word in words]
        return np.array(ids, dtype=np.int64)

    def read(
        self, engine: _ext.Engine, ids: NDArray[np.int64], terms: Terms
    ) -> Generator[_ext.Ticket, Any, list[int]]:
        """The numbers of the marks behind the words of a piece."""
        ticket = self.runner.submit(engine, ids, terms=terms.for_engine())
        try:
            [numbers] = yield ticket
        finally:
            ticket.cancel()
        found: list[int] = numbers.tolist()
        return found


class _Whole:
    """Words of which none will follow."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def beyond(self, count: int) -> Generator[_ext.Ticket, Any, bool]:
        """Nothing to wait for."""
        return len(self.words) > count
        yield


class CtTransformer:
    """A loaded CTTransformer."""

    task: Task = "punc"
    accepts: tuple[Accepts, ...] = ("text",)
    streams = False
    sample_rate = 16000
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        self._pieces = Pieces(bundle, device, limits)
        self._runner = self._pieces.runner
        self.marks = self._pieces.marks.names

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing to refuse."""

    def words_of(self, text: str) -> list[str]:
        """The words that marks stand behind: ``punc_array`` has a number for each."""
        words = self.split(text)
        if self.splits_anywhere:
            return words
        counts = characters_of_words(words)
        return [
            one
            for word, count in zip(words, counts, strict=True)
            for one in (word if count > 1 else [word])
        ]

    def steps(
        self, engine: _ext.Engine, data: str, options: Mapping[str, Any], terms: Terms
    ) -> Generator[_ext.Ticket, Any, Punctuated | None]:
        """Punctuate a text, piece by piece; None if it is blank."""
        return self.follow(engine, _Whole(self.split(data)), options, terms)

    def split(self, text: str) -> list[str]:
        """The words that are read."""
        return split_words(text, self._pieces.cut)

    @property
    def splits_anywhere(self) -> bool:
        """Whether what a text is split into does not depend on what follows behind a space."""
        return self._pieces.cut is None

    def follow(
        self,
        engine: _ext.Engine,
        source: ComingWords,
        options: Mapping[str, Any],
        terms: Terms,
        tell: Callable[[list[str], list[int]], None] = lambda _words, _numbers: None,
    ) -> Generator[_ext.Ticket, Any, Punctuated | None]:
        """Punctuate words as they come, piece by piece; None if none come.

        Args:
            engine: where the model runs.
            source: of the words.
            options: of the call.
            terms: on which all is submitted.
            tell: is told of the words that are done, each with its mark, and the marks' numbers.
        """
        pieces, marks, words = self._pieces, self._pieces.marks, source.words
        size = int(options.get("split_size") or SPLIT_SIZE.default)
        parts: list[str] = []
        all_numbers: list[int] = []
        begin, end = 0, size
        more = yield from source.beyond(0)
        if not more:
            return None
        while more:
            more = yield from source.beyond(end)
            ids = pieces.ids_of(words[begin:end])
            numbers = yield from pieces.read(engine, ids, terms)
            done = marks.done(numbers) if more else len(numbers)
            numbers = numbers[:done]
            marked = marked_words(words[begin : begin + done], numbers, marks)
            if not more:
                marked[-1] = close_text(marked[-1], numbers, marks)
            tell(marked, numbers)
            parts += marked
            all_numbers += numbers
            begin += done
            end += size
            terms = terms.later_stage(live=terms.live)
        return Punctuated("".join(parts), self._spread(words, all_numbers))

    def _spread(self, words: list[str], numbers: list[int]) -> list[int]:
        """With a number for each character of words that a dictionary cut out."""
        if self.splits_anywhere:
            return numbers
        counts = characters_of_words(words)
        return [
            one
            for number, count in zip(numbers, counts, strict=True)
            for one in (*[1] * (count - 1), number)
        ]

    def finish(
        self, result: Punctuated | None, key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "text", "punc_array"}``; of blank text "" and None."""
        return result_of(result, key)
