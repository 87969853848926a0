"""From token ids to text.

Paraformer's vocabularies hold single Chinese characters, English words, and English word pieces
that end in ``"@@"``. Turning tokens into a sentence joins the pieces, puts spaces between English
words only, and writes spelled letters as one upper-case abbreviation. The results are those of
FunASR's ``tokenizer/char_tokenizer.py`` and ``utils/postprocess_utils.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from safeasr.errors import CorruptBundleError

__all__ = ["Sentence", "ids_to_tokens", "sentence_postprocess", "tokens_to_text"]

#: Ids that never reach the text: blank, start and end of sentence in FunASR's vocabularies.
DEFAULT_SKIP_IDS = frozenset({0, 1, 2})

_MARKERS = frozenset({"<s>", "</s>", "<unk>", "<OOV>"})
#: Looked through when a token's script is judged; taken out in this order.
_INVISIBLE = (" ", "</s>", "<s>", "<unk>", "<OOV>")
_PIECE = "@@"
_SPACE = " "

_Time = Sequence[int] | Sequence[float]


class Sentence(NamedTuple):
    """A sentence made of tokens.

    Attributes:
        text: the sentence. With timestamps every word and character is separated by a space, as
            in FunASR; without, only English words are.
        timestamps: ``[start, end]`` in ms per word, or None if none were given. Shorter than
            ``words`` when times were missing.
        words: the words and characters of the sentence.
    """

    text: str
    timestamps: list[list[float]] | None
    words: list[str]


def ids_to_tokens(
    ids: Iterable[int],
    vocabulary: Sequence[str],
    skip_ids: Collection[int] = DEFAULT_SKIP_IDS,
) -> list[str]:
    """The tokens of the given ids, blank and sentence marks left out.

    Args:
        ids: token ids in order; numpy integers are fine.
        vocabulary: token of each id.
        skip_ids: ids to leave out.

    Returns:
        The tokens.

    Raises:
        CorruptBundleError: if an id lies outside the vocabulary.
    """
    tokens: list[str] = []
    for token_id in ids:
        if token_id in skip_ids:
            continue
        # A negative index would silently pick a token from the end.
        if not 0 <= token_id < len(vocabulary):
            raise CorruptBundleError(
                f"token id {int(token_id)} is outside the vocabulary of {len(vocabulary)} tokens"
            )
        tokens.append(vocabulary[token_id])
    return tokens


def tokens_to_text(tokens: Iterable[str], space_symbol: str = "<space>") -> str:
    """The tokens in a row, as FunASR's CharTokenizer joins them."""
    return "".join(_SPACE if token == space_symbol else token for token in tokens)


def _visible(unit: str) -> str:
    for mark in _INVISIBLE:
        unit = unit.replace(mark, "")
    return unit


def _is_han(unit: str) -> bool:
    # Compared as strings, so for a longer unit the first character decides (almost) alone.
    # Digits and "@" count as Chinese: they are written without spaces too.
    return "\u4e00" <= unit <= "\u9fff" or "0" <= unit <= "9" or unit == "@"


def _all_han(units: Iterable[str]) -> bool:
    """Whether there are units and each is Chinese. A str is taken character by character."""
    empty = True
    for unit in units:
        empty = False
        if not _is_han(_visible(unit)):
            return False
    return not empty


def _all_alpha(units: Iterable[str]) -> bool:
    """Whether there are units and each is letters of another script, or an apostrophe."""
    empty = True
    for unit in units:
        empty = False
        shown = _visible(unit)
        if shown != "'" and (not shown.isalpha() or _is_han(shown)):
            return False
    return not empty


class _Builder:
    """Words in order, with single spaces as separate entries, and the time of each word.

    The times are kept in a list of their own and not tied to the words: a token that gets no time
    (punctuation, for one) shifts the words behind it, and callers compare with FunASR, where it
    does so too.
    """

    def __init__(self, times: Sequence[_Time] | None) -> None:
        self._given = times
        self.parts: list[str] = []
        self.times: list[list[float]] = []
        self._pieces = ""  # word pieces that wait for the end of their word
        self._waiting = False  # pieces wait whose time is not yet added
        self._start: float | None = None  # when they began, if known
        self._piece_end: float | None = None  # when the last of them ended, if known
        self._space_open = False  # the last word added a space that a character takes back

    def _span(self, index: int) -> tuple[float, float] | None:
        if self._given is None or index >= len(self._given):
            return None
        start, end = self._given[index][0], self._given[index][1]
        return start, end

    def _close(self, index: int, *, own_end: bool) -> None:
        """Adds the time of the word that ends with token ``index``."""
        span = self._span(index)
        if self._waiting:
            # A character behind pieces ends them where the last piece ended; a word, at its end.
            end = (span[1] if span else None) if own_end else self._piece_end
            if self._start is not None and end is not None:
                self.times.append([self._start, end])
        elif span is not None:
            self.times.append([span[0], span[1]])
        self._waiting = False

    def add_character(self, index: int, token: str) -> None:
        if self._space_open:
            self.parts.pop()
        self.parts.append(token)
        self._space_open = False
        self._close(index, own_end=False)

    def add_piece(self, index: int, token: str) -> None:
        self._pieces += token.replace(_PIECE, "")
        self._space_open = False
        span = self._span(index)
        if not self._waiting:
            self._start = span[0] if span else None
            self._waiting = True
        self._piece_end = span[1] if span else None

    def add_word(self, index: int, token: str) -> None:
        self.parts += [self._pieces + token, _SPACE]
        self._pieces = ""
        self._space_open = True
        self._close(index, own_end=True)

    def add_other(self, token: str) -> None:
        self.parts.append(token)


def _arrange(tokens: list[str], times: Sequence[_Time] | None) -> _Builder:
    """Sorts the tokens into characters, words and pieces."""
    builder = _Builder(times)
    if _all_han(tokens):
        builder.parts = [token.replace(_SPACE, "") for token in tokens]
        builder.times = [[time[0], time[1]] for time in times or ()]
    elif _all_alpha(tokens):
        for index, token in enumerate(tokens):
            builder.add_word(index, token)
    else:
        for index, token in enumerate(tokens):
            if _all_han(token):
                builder.add_character(index, token)
            elif _PIECE in token:
                builder.add_piece(index, token)
            elif _all_alpha(token):
                builder.add_word(index, token)
            else:
                builder.add_other(token)
    return builder


def _is_letter(part: str) -> bool:
    return len(part) == 1 and part.isascii() and part.isalpha()


def _spelled_end(parts: list[str], begin: int) -> int:
    """Index of the last letter of the abbreviation spelled from ``begin`` on.

    It is ``begin`` itself if no second letter follows, one space away.
    """
    end = begin
    while end + 2 < len(parts) and parts[end + 1] == _SPACE and _is_letter(parts[end + 2]):
        end += 2
    return end


def _join_spelled(
    parts: list[str], times: list[list[float]]
) -> tuple[list[str], list[list[float]]]:
    """Joins letters that are one space apart to one upper-case word, and their times."""
    joined: list[str] = []
    joined_times: list[list[float]] = []
    index = 0
    word = 0  # number of words before parts[index]; times belong to words by this count
    while index < len(parts):
        part = parts[index]
        end = _spelled_end(parts, index) if _is_letter(part) else index
        letters = (end - index) // 2
        joined.append("".join(parts[index : end + 1 : 2]).upper() if letters else part)
        if part != _SPACE:
            if word + letters < len(times):
                joined_times.append([times[word][0], times[word + letters][1]])
            word += letters + 1
        index = end + 1
    return joined, joined_times


def sentence_postprocess(
    tokens: Sequence[str | bytes], timestamps: Sequence[_Time] | None = None
) -> Sentence:
    """Text, times and words of a sequence of tokens.

    Text, times and words are those of ``funasr.utils.postprocess_utils.sentence_postprocess``
    for everything that returns there. Where it raises because there are fewer times than tokens,
    the words without a time are kept and have none. No argument is changed.

    Args:
        tokens: the tokens; bytes are read as UTF-8. ``<s>``, ``</s>``, ``<unk>`` and ``<OOV>``
            are dropped, their times are not: times are matched by position to what is left.
        timestamps: ``[start, end]`` per token, in ms, or None.

    Returns:
        The sentence; ``timestamps`` is None if none were given.
    """
    words = (token if isinstance(token, str) else token.decode("utf-8") for token in tokens)
    builder = _arrange([word for word in words if word not in _MARKERS], timestamps)
    parts, times = _join_spelled(builder.parts, builder.times)
    shown = [part for part in parts if part != _SPACE]
    if timestamps is None:
        return Sentence("".join(parts).strip(), None, shown)
    return Sentence(_SPACE.join(shown).strip(), times, shown)
