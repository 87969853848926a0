"""Sentences of a text that is still being recognised: of each word its text, its mark and its time.

What FunASR gives as ``sentence_info`` can be told at the end only, for whether marks, times and
words fit is a question of the whole recording there. Here each word has the time that its own piece
of the recording gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from safeasr.text.sentences import mark_behind, times_of_tokens

__all__ = ["WordTime", "sentences_of_words", "times_in_piece", "with_surface"]

_NONE: Final = "_"


class WordTime(NamedTuple):
    """When a word is said, in ms.

    Attributes:
        start: when it begins.
        end: when it ends.
        own: False if the recogniser did not say: these are then those of its piece.
    """

    start: int
    end: int
    own: bool = True


def times_in_piece(
    words: Sequence[str], result: Mapping[str, Any], segment: Sequence[int]
) -> list[WordTime]:
    """The times of words that a piece of a recording was split into.

    Args:
        words: as a punctuation model splits them.
        result: of the piece, with times from the beginning of the recording.
        segment: its ``[start_ms, end_ms]``.
    """
    times = result.get("timestamp", ())
    names = result.get("words", ())
    if 0 < len(names) == len(times):
        times = times_of_tokens(words, names, times) or ()
    if len(times) != len(words):
        return [WordTime(segment[0], segment[1], own=False)] * len(words)
    return [WordTime(start, end) for start, end in times]


def with_surface(surface: str, number: int, marks: Sequence[str]) -> str:
    """A word as the recogniser wrote it, and the mark behind it.

    Args:
        surface: the word, and the spaces before it.
        number: of the mark.
        marks: by their numbers.
    """
    return surface + mark_behind(number, surface.strip(), marks)


def sentences_of_words(
    texts: Sequence[str],
    numbers: Sequence[int],
    times: Sequence[WordTime],
    marks: Sequence[str],
    raw: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The sentences of some words, the last of which ends one. As in FunASR, any mark ends one.

    Args:
        texts: of the words, with spaces before them and marks behind them where there are any.
        numbers: of the marks behind the words.
        times: of the words.
        marks: by their numbers.
        raw: the words without marks, for ``raw_text``.
    """
    sentences: list[dict[str, Any]] = []
    first = 0
    for last, number in enumerate(numbers):
        if marks[number] == _NONE and last < len(numbers) - 1:
            continue
        own = times[first : last + 1]
        sentence: dict[str, Any] = {
            "text": "".join(texts[first : last + 1]).strip(),
            "start": own[0].start,
            "end": own[-1].end,
            "timestamp": [[time.start, time.end] for time in own if time.own],
        }
        if raw is not None:
            sentence["raw_text"] = "".join(raw[first : last + 1]).strip()
        sentences.append(sentence)
        first = last + 1
    return sentences
