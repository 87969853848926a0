# SPDX-License-Identifier: Apache-2.0
"""Punctuated sentences of the demo's words: what people might say to a machine that knows them.

Where a mark belongs follows from the words alone, so that it can be learned and measured.
"""

from __future__ import annotations

from numpy.random import Generator

from .vocabulary import DIGITS

#: A mark for each class, as FunASR's models list them. Beside English words they are written as
#: ASCII.
MARKS = ["<unk>", "_", "，", "。", "？", "、"]
NONE, COMMA, STOP, QUESTION = 1, 2, 3, 4
#: A word and the class of the mark behind it.
Marked = tuple[str, int]

_CHOICES = [
    ("up", "down"),
    ("left", "right"),
    ("on", "off"),
    ("start", "stop"),
    ("play", "pause"),
    ("next", "back"),
    ("louder", "quieter"),
    ("open", "close"),
    ("yes", "no"),
]
_COUNTED = ["open", "close", "play", "repeat", "cancel", "start"]
_PLAIN = ["stop", "start", "pause", "louder", "quieter", "next", "back", "repeat", "cancel", "help"]
_WAYS = ["up", "down", "left", "right", "back", "on"]


def _digits(rng: Generator, fewest: int, most: int) -> list[str]:
    return [str(d) for d in rng.choice(DIGITS, size=int(rng.integers(fewest, most + 1)))]


def _command(rng: Generator) -> list[str]:
    kind = rng.random()
    if kind < 0.3:
        return ["go", str(rng.choice(_WAYS))]
    if kind < 0.6:
        return [str(rng.choice(_COUNTED)), *_digits(rng, 1, 2)]
    if kind < 0.7:
        return ["play", str(rng.choice(["next", "on"]))]
    return [str(rng.choice(_PLAIN))]


def _marked(words: list[str], last: int) -> list[Marked]:
    return [(word, NONE) for word in words[:-1]] + [(words[-1], last)]


def _sentence(rng: Generator) -> list[Marked]:
    """One sentence: a choice, a number, a greeting, an answer or a command."""
    kind = rng.random()
    if kind < 0.18:  # "left, right?"
        pair = _CHOICES[int(rng.integers(len(_CHOICES)))]
        one, other = pair if rng.random() < 0.5 else pair[::-1]
        return [(one, COMMA), (other, QUESTION)]
    if kind < 0.36:  # "one two three, four five."
        digits = _digits(rng, 3, 8)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        parts = [_marked(group, COMMA) for group in groups[:-1]] + [_marked(groups[-1], STOP)]
        return [word for part in parts for word in part]
    words: list[Marked] = []
    if kind < 0.66:  # "no, go back, please."
        words.append((str(rng.choice(["hello", "yes", "no"])), COMMA))
    words += _marked(_command(rng), STOP)
    if rng.random() < 0.35:
        words[-1] = (words[-1][0], COMMA)
        words.append(("please", STOP))
    return words


def _reads_alone(before: list[Marked], sentence: list[Marked]) -> bool:
    """Whether it is clear without marks where one sentence ends and the next begins."""
    if not before:
        return True
    last, first = before[-1][0], sentence[0][0]
    if last in DIGITS and first in DIGITS:
        return False
    joined = {last, first}
    if any(joined == set(pair) for pair in _CHOICES) or joined in ({"play", "on"}, {"go", "on"}):
        return False
    return not (last in _COUNTED and first in DIGITS) and (last, first) != ("play", "next")


def punctuated(rng: Generator, most: int = 8) -> list[Marked]:
    """The words of up to so many sentences, and the mark behind each."""
    words: list[Marked] = []
    for _ in range(int(rng.integers(1, most + 1))):
        sentence = _sentence(rng)
        while not _reads_alone(words, sentence):
            sentence = _sentence(rng)
        words += sentence
    return words
