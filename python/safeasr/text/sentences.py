"""Sentences with their times, of a recording's text, its marks and the times of its words.

What FunASR's ``AutoModel`` gives as ``sentence_info``: by the words that the recogniser named where
it names them, otherwise by the order of marks, times and words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

__all__ = [
    "ASCII_MARKS",
    "join_texts",
    "joint",
    "mark_behind",
    "punctuate_surface",
    "sentences_by_order",
    "sentences_of_pieces",
    "sentences_of_surface",
    "times_of_tokens",
    "untagged",
]

Times = Sequence[Sequence[int]]
Sentence = dict[str, Any]

#: Of a number in ``punc_array``, whatever the model's own list says.
_MARKS: Final = {2: "，", 3: "。", 4: "？", 5: "、"}
_ENGLISH_MARKS: Final = {2: ",", 3: ".", 4: "?", 5: ","}
#: Behind a word in Latin letters.
ASCII_MARKS: Final = {"，": ",", "。": ".", "？": "?", "、": ","}
_TAG: Final = re.compile(r"<\|[^|]*\|>")


def _is_chinese(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _is_letter(character: str) -> bool:
    return "a" <= character <= "z" or "A" <= character <= "Z"


def untagged(text: str) -> str:
    """A text without SenseVoice's tags."""
    return _TAG.sub("", text).strip()


def joint(before: str, text: str) -> str:
    """What stands between two pieces of a text: nothing between Chinese ones, otherwise a space.

    Args:
        before: the first piece, or all that came before; may be empty.
        text: the second one, not empty.
    """
    if not before or (_is_chinese(before[-1]) and _is_chinese(text[0])):
        return ""
    return " "


def join_texts(texts: Iterable[str]) -> str:
    """The texts of a recording's pieces as one, without tags; no space between Chinese ones."""
    joined = ""
    for text in filter(None, map(untagged, texts)):
        joined += joint(joined, text) + text
    return joined


def _spans(text: str, tokens: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where each token stands in the text; None if something else stands there."""
    spans = []
    begin = 0
    for token in tokens:
        begin += len(text[begin:]) - len(text[begin:].lstrip())
        end = begin + len(token)
        if text[begin:end].casefold() != token.casefold():
            return None
        spans.append((begin, end))
        begin = end
    return None if text[begin:].strip() else spans


def mark_behind(number: int, token: str, marks: Sequence[str]) -> str:
    """The mark behind a token; empty for none."""
    mark = marks[number] if number < len(marks) else _MARKS.get(number, "")
    if mark == "_":
        return ""
    return ASCII_MARKS.get(mark, mark) if token[0].isascii() else mark


def punctuate_surface(
    text: str, tokens: Sequence[str], numbers: Sequence[int], marks: Sequence[str]
) -> str | None:
    """The text with its marks, otherwise unchanged; None if the tokens are not those of the text.

    Args:
        text: to which marks are added.
        tokens: of the text, in order.
        numbers: of the marks behind them.
        marks: by their numbers.
    """
    spans = _spans(text, tokens)
    if spans is None:
        return None
    parts = []
    begin = 0
    for token, number, (_, end) in zip(tokens, numbers, spans, strict=True):
        parts += [text[begin:end], mark_behind(number, token, marks)]
        begin = end
    return "".join([*parts, text[begin:]])


def _bare(text: str) -> str:
    return "".join(text.split()).replace("▁", "").casefold()


def times_of_tokens(
    tokens: Sequence[str], words: Sequence[str], times: Times
) -> list[list[int]] | None:
    """The times of tokens, of those of words that are cut elsewhere; None if they do not fit.

    A word's time is shared out evenly among its characters.
    """
    characters = ""
    begins, ends = [], []
    for word, (start, end) in zip(words, times, strict=True):
        bare = _bare(word)
        if not bare or end < start:
            return None
        length = end - start
        begins += [start + length * i // len(bare) for i in range(len(bare))]
        ends += [start + length * (i + 1) // len(bare) for i in range(len(bare))]
        characters += bare
    found = []
    first = 0
    for token in tokens:
        bare = _bare(token)
        last = first + len(bare)
        if not bare or characters[first:last] != bare:
            return None
        found.append([begins[first], ends[last - 1]])
        first = last
    return found if first == len(characters) else None


def sentences_of_surface(
    text: str,
    tokens: Sequence[str],
    times: Times,
    numbers: Sequence[int],
    marks: Sequence[str],
    *,
    raw: bool,
) -> list[Sentence] | None:
    """Sentences that are cut out of the text as it is; None if the tokens are not those of it.

    Args:
        text: of the recording.
        tokens: of the text, in order.
        times: of the tokens, in ms.
        numbers: of the marks behind the tokens.
        marks: by their numbers.
        raw: whether each sentence has its ``raw_text``, too.
    """
    spans = _spans(text, tokens)
    if spans is None:
        return None
    sentences = []
    first = 0
    for last, (token, number) in enumerate(zip(tokens, numbers, strict=True)):
        mark = mark_behind(number, token, marks)
        if mark or last == len(tokens) - 1:
            own = text[spans[first][0] : spans[last][1]].strip()
            sentence: Sentence = {
                "text": own + mark,
                "start": times[first][0],
                "end": times[last][1],
                "timestamp": times[first : last + 1],
            }
            if raw:
                sentence["raw_text"] = own
            sentences.append(sentence)
            first = last + 1
    return sentences


def _with_word(text: str, word: str) -> str:
    letters = _is_letter(word[0]) or (text != "" and _is_letter(text[-1]))
    return f"{text} {word}" if letters else text + word


def sentences_by_order(
    words: Sequence[str], times: Times, numbers: Sequence[int], *, english: bool, raw: bool
) -> list[Sentence]:
    """Sentences of which each word has the time and the mark that stand at its place.

    What comes after the last mark is left out, as in FunASR.

    Args:
        words: of the recording; there may be more or fewer of them.
        times: in ms.
        numbers: of the marks, as many as there are times.
        english: with English marks.
        raw: whether each sentence has its ``raw_text``, too.
    """
    marks = _ENGLISH_MARKS if english else _MARKS
    sentences = []
    text, own = "", []
    sentence_times: list[Any] = []
    start = end = 0
    for number, time, word in zip_longest(numbers, times, words):
        if time is not None:
            start, end = (start if sentence_times else time[0]), time[1]
        if word is not None:
            text = _with_word(text, word)
            own.append(word)
        if english:
            text = text.removeprefix(" ")
        sentence_times.append(time)
        if number is None or number <= 1:
            continue
        sentence: Sentence = {
            "text": text + marks.get(number, ""),
            "start": start,
            "end": end,
            "timestamp": sentence_times,
        }
        if raw:
            sentence["raw_text"] = (" " if english else "").join(own)
        sentences.append(sentence)
        text, own, sentence_times = "", [], []
    return sentences


def sentences_of_pieces(
    results: Iterable[Mapping[str, Any]], segments: Iterable[Sequence[int]]
) -> list[Sentence]:
    """Each piece of a recording as a sentence; blank ones are left out.

    Args:
        results: of the pieces, with times from the beginning of the recording.
        segments: ``[start_ms, end_ms]`` of each.
    """
    sentences = []
    for result, segment in zip(results, segments, strict=True):
        text = untagged(result.get("text", ""))
        if text:
            times = [[start, end] for start, end in result.get("timestamp", ())]
            start = times[0][0] if times else segment[0]
            end = times[-1][1] if times else segment[1]
            sentences.append(
                {"start": start, "end": end, "text": text, "sentence": text, "timestamp": times}
            )
    return sentences
