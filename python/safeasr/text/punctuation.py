"""From words and the numbers of marks to punctuated text, as CT-Transformers write it.

A text is read in pieces of some words. Of each piece, what follows its last sentence end is read
again with the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from safeasr.text.word_split import begins_in_ascii

__all__ = ["Marks", "close_text", "join_live", "marked_words"]

#: Words of a piece above which it is cut at a comma, if no sentence ends in it.
_LONGEST_SENTENCE: Final = 200
_COMMA: Final = "，"
_ENDS: Final = ("。", "？")
_HALF_WIDTH: Final = {"，": ",", "。": ".", "？": "?"}
_NONE: Final = "_"


@dataclass(frozen=True)
class Marks:
    """The marks that a model can put behind a word.

    Attributes:
        names: by their numbers; "_" stands for none.
        sentence_end: the number of the mark that ends a sentence which is cut, and the text.
    """

    names: tuple[str, ...]
    sentence_end: int

    def ends_sentence(self, number: int) -> bool:
        """Whether a sentence ends with the mark."""
        return self.names[number] in _ENDS

    def done(self, numbers: list[int]) -> int:
        """How many words of a piece are done: those up to its last sentence end.

        The last word's mark does not count, for what follows may change it, and neither do those of
        the first two. Ends the sentence at a comma, in place, if it gets too long.

        Args:
            numbers: of each word's mark.
        """
        comma = None
        for i in range(len(numbers) - 2, 1, -1):
            if self.ends_sentence(numbers[i]):
                return i + 1
            if comma is None and self.names[numbers[i]] == _COMMA:
                comma = i
        if comma is None or len(numbers) <= _LONGEST_SENTENCE:
            return 0
        numbers[comma] = self.sentence_end
        return comma + 1

    def after_last_end(self, numbers: Sequence[int]) -> int:
        """Where what follows the last sentence end begins; the last word's mark does not count."""
        ends = (i for i in range(len(numbers) - 2, 1, -1) if self.ends_sentence(numbers[i]))
        return next(ends, -1) + 1


def marked_words(words: Sequence[str], numbers: Sequence[int], marks: Marks) -> list[str]:
    """The text of a piece, cut behind each word's mark.

    English words have spaces before them, and a capital after a sentence end; marks behind them are
    half-width.
    """
    parts: list[str] = []
    english = True  # the beginning counts as English: a word of English has a space before it
    begins = True
    for word, number in zip(words, numbers, strict=True):
        before, english = english, begins_in_ascii(word)
        part = word
        if english:
            part = (" " if before else "") + (word.capitalize() if begins else word)
        begins = marks.ends_sentence(number)
        mark = marks.names[number]
        if mark != _NONE:
            part += _HALF_WIDTH.get(mark, mark) if english else mark
        parts.append(part)
    return parts


def close_text(text: str, numbers: list[int], marks: Marks) -> str:
    """The text with an end: a comma becomes one, and where there is no mark one is added.

    Args:
        text: not empty; all of it, or its last word with the mark behind it.
        numbers: of all marks; the last one is changed in place with the text.
        marks: of the model.
    """
    last = text[-1]
    if last in ("，", "、", ","):
        text = text[:-1] + ("." if last == "," else "。")
    elif last in ("。", "？", ".", "?"):
        return text
    else:
        text += "." if last.isascii() else "。"
    numbers[-1] = marks.sentence_end
    return text


def join_live(
    words: Sequence[str], numbers: Sequence[int], marks: Marks, known: int
) -> tuple[str, list[str]]:
    """What a live text became, without a mark at its end, which what follows may change.

    Args:
        words: those that were kept from before, then the new ones.
        numbers: of each word's mark.
        marks: of the model.
        known: how many were kept. They are left out, but for the mark behind the last of them.

    Returns:
        The text, and the words as they are kept for the next call.
    """
    spaced = [
        " " + word if i and begins_in_ascii(word) and words[i - 1][-1].isascii() else word
        for i, word in enumerate(words)
    ]
    parts: list[str] = []
    for i, number in enumerate(numbers):
        if i >= known:
            parts.append(spaced[i])
        if i >= known - 1 and marks.names[number] != _NONE:
            parts.append(marks.names[number])
    text = "".join(parts)
    if text[-1:] in marks.names:
        text = text[:-1]
    return text, spaced[marks.after_last_end(numbers) :]
