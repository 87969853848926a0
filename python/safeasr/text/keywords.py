"""Keywords to spot: the words that a call names, and the tokens that a network has for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["KeywordTokens", "split_keywords"]

#: Letters that FunASR keeps together, with some signs.
_WORD = re.compile(r"[A-Za-z!?,<>()']+")
#: What is left out of parts that have no token of their own.
_SIGNS = re.compile(r"[\s’!\"#$%&'()*+,\-./:;<>=?@，。?★、…【】《》？“”‘！\[\]\\^_`{|}~]+")
_BLANK, _SILENCE, _UNKNOWN = "<blank>", "!sil", "<unk>"
#: Parts that stand for something that is no word.
_SOUNDS = {
    **dict.fromkeys(("!sil", "(sil)", "<sil>"), _SILENCE),
    _BLANK: _BLANK,
    **dict.fromkeys(("(noise)", "noise)", "(noise", "<noise>"), _UNKNOWN),
}


def split_keywords(given: str | Sequence[str]) -> tuple[str, ...]:
    """The keywords that FunASR sees in a string, or in several: commas between them, no spaces.

    Blank ones do not count, and equal ones count once.
    """
    strings = [given] if isinstance(given, str) else given
    words = [word for one in strings for word in one.strip().replace(" ", "").split(",")]
    return tuple(dict.fromkeys(word for word in words if word.strip()))


def _parts(keyword: str) -> Iterator[str]:
    """Words of Latin letters, and single characters, in lower case."""
    rest = keyword.lower()
    while rest:
        found = _WORD.match(rest)
        part = found.group() if found else rest[0]
        yield part
        rest = rest[len(part) :].strip(" ")


class KeywordTokens:
    """From keywords to token ids, as FunASR's ``query_token_set`` does.

    Args:
        tokens: the vocabulary.
        lexicon: words and their pieces; None: there are none.
    """

    def __init__(
        self, tokens: Sequence[str], lexicon: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._ids = {token: i for i, token in enumerate(tokens)}
        self._lexicon = lexicon or {}

    def ids(self, keyword: str) -> tuple[list[int], list[str]]:
        """The ids of a keyword's tokens, and the symbols that the vocabulary does not have.

        Those stand for unknown sounds. If the vocabulary has no token for such either, they have
        no id.
        """
        whole = self._ids.get(keyword)
        if whole is not None:
            return [whole], []
        ids, missing = [], []
        for symbol in self._symbols(keyword):
            known = self._ids.get(symbol)
            if known is None:
                instead = "sil" if symbol == _SILENCE else _UNKNOWN
                known = self._ids.get(instead, self._ids.get(_BLANK))
                if symbol not in (_SILENCE, _UNKNOWN):
                    missing.append(symbol)
            if known is not None:
                ids.append(known)
        return ids, missing

    def _symbols(self, keyword: str) -> Iterator[str]:
        for part in _parts(keyword):
            if part in _SOUNDS:
                yield _SOUNDS[part]
            elif part in self._ids:
                yield part
            elif part in self._lexicon:
                # FunASR goes through the line letter by letter, the spaces between pieces too.
                yield from " ".join(self._lexicon[part])
            else:
                yield from _SIGNS.sub("", part)
