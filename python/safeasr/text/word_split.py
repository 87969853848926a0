"""Text in words, as punctuation models read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Final

__all__ = ["begins_in_ascii", "characters_of_words", "dictionary_cut", "split_words"]

#: Cuts a text without spaces into words of a dictionary.
Cut = Callable[[str], Iterable[str]]
_ENGLISH: Final = re.compile(r"[a-zA-Z']+")
#: Runs of ASCII, or one character of any other script.
_WORD: Final = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]")
#: First characters of words of which every character gets a number of its own.
_FIRST_SPLIT, _LAST_SPLIT = "\u0e00", "\u9fa5"


def begins_in_ascii(word: str) -> bool:
    """Whether a word is written as English is, with spaces and half-width marks around it."""
    return word[0].isascii()


def split_words(text: str, cut: Cut | None = None) -> list[str]:
    """The words of a text.

    Args:
        text: of any scripts.
        cut: cuts what is not English by a dictionary. None: every character beyond ASCII is a word,
            and so is what stands between them and between spaces.
    """
    parts = text.split()
    if cut is None:
        return [word for part in parts for word in _WORD.findall(part)]
    words: list[str] = []
    for english, some in groupby(parts, lambda part: _ENGLISH.fullmatch(part) is not None):
        together = list(some)
        words += together if english else cut("".join(together))
    return words


def characters_of_words(words: Iterable[str]) -> list[int]:
    """How many numbers each word has in FunASR's ``punc_array`` after a cut by a dictionary."""
    return [len(one) if _FIRST_SPLIT <= one[0] <= _LAST_SPLIT else 1 for one in words]


def dictionary_cut(path: Path) -> Cut:
    """A cut by jieba's dictionary with that of a file, which no other model sees.

    Args:
        path: in jieba's format: word, frequency and tag in each line, the last two as one likes.

    Raises:
        ImportError: if jieba is not installed.
        ValueError: if the file is not of that format.
    """
    try:
        import jieba
    except ImportError as error:
        raise ImportError(
            "a punctuation model with a dictionary of its own (jieba_usr_dict) needs jieba: "
            "pip install 'safeasr[punc]'"
        ) from error
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    with path.open("rb") as lines:
        tokenizer.load_userdict(lines)

    def cut(text: str) -> Iterable[str]:
        found: Iterable[str] = tokenizer.cut(text, HMM=False)
        return found

    return cut
