"""The text of a recording while its pieces are still being recognised."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

from safeasr._extension import _ext
from safeasr.calls.inbox import Inbox
from safeasr.text.live_sentences import (
    WordTime,
    sentences_of_words,
    times_in_piece,
    with_surface,
)
from safeasr.text.sentences import joint, untagged

__all__ = ["LiveText", "Piece"]


class Piece(NamedTuple):
    """A segment that was recognised.

    Attributes:
        segment: ``[start_ms, end_ms]``.
        result: with times from the beginning of the recording.
        failure: an entry of ``errors``, if the network failed on it.
    """

    segment: list[int]
    result: Mapping[str, Any]
    failure: dict[str, Any] | None = None


class _Word(NamedTuple):
    """A word that is in no sentence yet.

    Attributes:
        surface: as the recogniser wrote it, with the spaces before it.
        time: when it is said.
        is_named: whether the recogniser names its words, and so decides how they are written.
    """

    surface: str
    time: WordTime
    is_named: bool


class LiveText:
    """What was recognised by now, in the words that a punctuation model reads."""

    def __init__(
        self,
        inbox: Inbox[Piece],
        split: Callable[[str], list[str]],
        *,
        as_it_comes: bool,
        for_sentences: bool,
    ) -> None:
        """Empty.

        Args:
            inbox: where the pieces come from.
            split: a text into the model's words.
            as_it_comes: whether that does not depend on what follows; else words come at the end.
            for_sentences: whether :meth:`sentences` will be asked for; of words that come as they
                are said only.
        """
        self.words: list[str] = []
        self._inbox = inbox
        self._split = split
        self._as_it_comes = as_it_comes
        self._for_sentences = for_sentences
        self._texts: list[str] = []
        self._last = ""
        self._untold: list[_Word] = []
        self._failures: deque[tuple[int, dict[str, Any]]] = deque()  # behind so many words
        self._told = 0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._texts)

    def beyond(self, count: int) -> Generator[_ext.Ticket, Any, bool]:
        """Steps that wait until there are more words than that; False if there will not be."""
        while len(self.words) <= count:
            piece = self._inbox.take()
            if piece is not None:
                self._add(piece)
            elif not self._inbox.ended:
                yield self._inbox.more()
            elif self._as_it_comes or self.words:
                return False
            else:
                self.words += self._split(self.text)
                return len(self.words) > count
        return True

    def _add(self, piece: Piece) -> None:
        if piece.failure is not None:
            self._failures.append((len(self.words), piece.failure))
        text = untagged(piece.result.get("text", ""))
        if not text:
            return
        between, self._last = joint(self._last, text), text
        self._texts += [between, text]
        if not self._as_it_comes:
            return
        words = self._split(text)
        self.words += words
        if not self._for_sentences:
            return
        is_named = bool(piece.result.get("words"))
        at = 0
        for word, time in zip(
            words, times_in_piece(words, piece.result, piece.segment), strict=True
        ):
            end = text.index(word, at) + len(word)
            self._untold.append(_Word(between + text[at:end], time, is_named))
            at, between = end, ""

    def sentences(
        self, marked: list[str], numbers: list[int], marks: tuple[str, ...], *, raw: bool
    ) -> list[dict[str, Any]]:
        """The sentences of the next words, and pieces that failed among them, in order.

        Args:
            marked: the words with their marks, as the model writes them.
            numbers: of the marks.
            marks: by their numbers.
            raw: whether they have ``raw_text``, too.
        """
        words = self._untold[: len(marked)]
        del self._untold[: len(marked)]
        self._told += len(marked)
        texts = [
            with_surface(word.surface, number, marks) if word.is_named else text
            for word, text, number in zip(words, marked, numbers, strict=True)
        ]
        surfaces = [word.surface for word in words]
        found = sentences_of_words(
            texts, numbers, [word.time for word in words], marks, surfaces if raw else None
        )
        return sorted([*found, *self.failures()], key=lambda one: int(one["start"]))

    def failures(self) -> list[dict[str, Any]]:
        """Pieces that failed, as far as all words before them are told, and that are not yet."""
        found = []
        while self._failures and self._failures[0][0] <= self._told:
            found.append(self._failures.popleft()[1])
        return found
