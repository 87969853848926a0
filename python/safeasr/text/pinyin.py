"""Comparing Chinese words by their sound."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["pinyin_function", "similarity"]


def pinyin_function() -> Callable[[str], str]:
    """A function that gives a text's pinyin without tones, and nothing for other scripts.

    Raises:
        ImportError: if pypinyin is not installed. It is needed by this one feature only.
    """
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError as error:
        raise ImportError(
            "matching hotwords by sound needs pypinyin (pip install pypinyin); "
            "postprocess_hotword_fuzzy=False does without"
        ) from error

    def pinyin(text: str) -> str:
        return "".join(lazy_pinyin(text, style=Style.NORMAL, errors="ignore")).lower()

    return pinyin


def similarity(left: str, right: str) -> float:
    """Share of characters that stay when one text is edited into the other, 0 to 1.

    Insertions and deletions only, by the longest common subsequence, found with one bit per
    character of ``left`` (Hyyro, "Bit-Parallel LCS-length Computation Revisited", 2004). The
    rounding steps are those of rapidfuzz's ``fuzz.ratio``, so scores compare alike.
    """
    total = len(left) + len(right)
    if total == 0:
        return 1.0
    places: dict[str, int] = {}
    for index, character in enumerate(left):
        places[character] = places.get(character, 0) | 1 << index
    ones = (1 << len(left)) - 1
    state = ones
    for character in right:
        hits = state & places.get(character, 0)
        state = ((state + hits) | (state - hits)) & ones
    common = len(left) - bin(state).count("1")
    return (1.0 - (total - 2 * common) / total) * 100.0 / 100.0
