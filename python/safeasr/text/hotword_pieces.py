"""Hotwords that a recogniser is told before it decodes: the words, and their pieces.

Not to be taken for the correction of finished text (:mod:`safeasr.text.hotwords`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["HotwordPieces", "Hotwords", "parse_seg_dict"]

#: What FunASR takes apart character by character.
_CHARACTERS = re.compile(r"[\u4E00-\u9FA50-9]+")
_UNKNOWN = "<unk>"


class Hotwords:
    """Hotwords in order, of one call or many; empty ones are left out. Immutable and hashable.

    A word may be of several, with spaces between them.
    """

    __slots__ = ("_hash", "words")

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(word for word in map(str.strip, words) if word)
        self._hash = hash(self.words)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Hotwords) and self.words == other.words

    def __repr__(self) -> str:
        return f"Hotwords({list(self.words)!r})"


def parse_seg_dict(text: str) -> dict[str, list[str]]:
    """Read FunASR's file of words and their pieces: a word, then its pieces, in each line."""
    lines = (line.split() for line in text.splitlines())
    return {line[0]: line[1:] for line in lines if line}


class HotwordPieces:
    """From words to ids of their pieces, as FunASR's ``generate_hotwords_list`` does.

    Args:
        tokens: the vocabulary.
        unknown: id of what the vocabulary does not have.
        seg_dict: pieces of words; None: every word is one piece.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        unknown: int,
        seg_dict: Mapping[str, Sequence[str]] | None,
    ) -> None:
        self._ids = {token: i for i, token in enumerate(tokens)}
        self._unknown = unknown
        self._seg_dict = seg_dict

    def ids(self, hotword: str) -> list[int]:
        """Ids of a hotword's pieces; pieces that the vocabulary lacks are unknown."""
        pieces = hotword.split()
        if self._seg_dict is not None:
            pieces = [piece for word in pieces for piece in self._pieces(word, self._seg_dict)]
        return [self._ids.get(piece, self._unknown) for piece in pieces]

    @staticmethod
    def _pieces(word: str, seg_dict: Mapping[str, Sequence[str]]) -> Sequence[str]:
        word = word.lower()
        if word in seg_dict:
            return seg_dict[word]
        if not _CHARACTERS.fullmatch(word):
            return [_UNKNOWN]
        return [piece for char in word for piece in seg_dict.get(char, [_UNKNOWN])]
