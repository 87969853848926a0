"""From text to tokens, as FunASR's ``CharTokenizer`` takes it apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["CharacterTokens"]

#: Words that begin so are looked up character by character where they have no pieces.
_SPELLED = re.compile(r"[\u4E00-\u9FA5A-Za-z0-9]")
_UNKNOWN = "<unk>"


class CharacterTokens:
    """Tokens of texts. Immutable.

    Args:
        tokens: the vocabulary.
        unknown: number of the token that stands for what the vocabulary does not have.
        pieces: of words, by the words in lower case; None: every character is a token.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        unknown: int,
        pieces: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._known = frozenset(tokens)
        self._unknown = tokens[unknown]
        self._pieces = pieces

    def of(self, text: str) -> list[str]:
        """The tokens of a text, each one of the vocabulary."""
        parts = self._characters(text) if self._pieces is None else self._of_words(text)
        return [part if part in self._known else self._unknown for part in parts]

    @staticmethod
    def _characters(text: str) -> Iterable[str]:
        return text.replace(" ", "")

    def _of_words(self, text: str) -> Iterator[str]:
        assert self._pieces is not None
        # Between two spaces is a word too, the empty one, which nothing knows.
        for word in map(str.lower, text.strip().split(" ")):
            if word in self._pieces:
                yield from self._pieces[word]
            elif _SPELLED.match(word):
                for character in word:
                    yield from self._pieces.get(character, (_UNKNOWN,))
            else:
                yield _UNKNOWN
