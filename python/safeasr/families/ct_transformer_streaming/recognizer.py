"""A loaded CTTransformerStreaming: texts that come bit by bit, with marks."""

from __future__ import annotations

from collections.abc import Generator, Mapping, MutableMapping
from itertools import islice
from typing import Any

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import OptionError
from safeasr.families.base import Accepts, Task
from safeasr.families.cached import CACHE, CACHE_ENTRY
from safeasr.families.ct_transformer.recognizer import (
    SPLIT_SIZE,
    Pieces,
    Punctuated,
    result_of,
)
from safeasr.families.terms import Terms
from safeasr.options.declared import Option, Options, Where
from safeasr.options.kinds import shown
from safeasr.text.punctuation import join_live
from safeasr.text.word_split import split_words

__all__ = ["OPTIONS", "CtTransformerStreaming"]

OPTIONS = Options(
    SPLIT_SIZE,
    Option("cache", CACHE, where=Where.CALL, help="A dict that holds the text from call to call."),
)
#: FunASR's entry of a cache: the words behind the last sentence end.
_KEPT = "pre_text"


class CtTransformerStreaming:
    """A loaded CTTransformerStreaming."""

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
        """Refuse a cache that is none.

        Raises:
            OptionError: if it was filled by something else.
        """
        cache = options.get("cache")
        if cache is None:
            return
        if cache and _KEPT not in cache and CACHE_ENTRY not in cache:
            some = [shown(key) for key in islice(cache, 3)]
            raise OptionError(
                f"this cache was filled by something else (it has {', '.join(some)}): begin with "
                "cache={}"
            )
        kept = cache.get(_KEPT, [])
        if not isinstance(kept, list) or not all(isinstance(word, str) for word in kept):
            raise OptionError(f"cache[{_KEPT!r}] must be a list of words, got {shown(kept)}")

    def words_of(self, text: str) -> list[str]:
        """The words that marks stand behind."""
        return split_words(text)

    def steps(
        self, engine: _ext.Engine, data: str, options: Mapping[str, Any], terms: Terms
    ) -> Generator[_ext.Ticket, Any, Punctuated | None]:
        """Punctuate what comes next, piece by piece; None if it is blank.

        ``numbers`` are those of the last piece alone, as in FunASR.
        """
        pieces, marks = self._pieces, self._pieces.marks
        if not data.strip():
            return None
        cache: MutableMapping[str, Any] | None = options.get("cache")
        kept: list[str] = [] if cache is None else cache.get(_KEPT, [])
        known = len(kept)
        words = split_words("".join(kept) + " " + data)
        ids = pieces.ids_of(words)
        size = int(options.get("split_size") or SPLIT_SIZE.default)
        numbers: list[int] = []
        all_numbers: list[int] = []
        begin = 0
        for end in range(size, len(words) + size, size):
            piece = ids[begin:end].copy()
            if 0 < known < len(piece):
                piece[:known] += pieces.vocabulary
            numbers = yield from pieces.read(engine, piece, terms)
            done = len(numbers) if end >= len(words) else marks.done(numbers)
            all_numbers += numbers[:done]
            begin += done
            terms = terms.later_stage(live=terms.live)
        text, now_kept = join_live(words, all_numbers, marks, known)
        if cache is not None:
            cache[_KEPT] = now_kept
        return Punctuated(text, numbers)

    def finish(
        self, result: Punctuated | None, key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "text", "punc_array"}``; of blank text "" and None."""
        return result_of(result, key)
