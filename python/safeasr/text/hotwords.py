"""Correction of hotwords in finished text.

A table of replacements (``wrong=>right``) is applied first, then Chinese target words are matched
by pinyin: a stretch of text that sounds nearly like a target becomes that target. This is
independent of the hotwords that a model takes while decoding. Options and results are those of
``funasr/utils/postprocess_hotwords.py``; ``docs/differences.md`` lists where they are not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from safeasr.text.pinyin import pinyin_function, similarity

__all__ = [
    "HotwordCorrector",
    "HotwordMatch",
    "apply_postprocess_hotwords",
    "build_hotword_corrector",
]

#: What ``postprocess_hotwords`` may be: lines of text, a sequence of lines, or wrong -> right.
HotwordInput: TypeAlias = str | Sequence[str] | Mapping[str, str] | None

_ARROWS = ("=>", "->", "\N{RIGHTWARDS ARROW}")
_HAS_WORD = re.compile("[\u4e00-\u9fffa-zA-Z0-9]")
_TEXT_FIELDS = ("text", "sentence")


@dataclass(frozen=True)
class HotwordMatch:
    """One replacement.

    Attributes:
        original: the text that was replaced.
        replacement: what it became.
        score: 1.0 for a table entry, else the similarity of the pinyin, rounded to four places.
        start: index of the first replaced character in the text at that step.
        end: index behind the last.
    """

    original: str
    replacement: str
    score: float
    start: int
    end: int

    def as_dict(self) -> dict[str, Any]:
        """The match as FunASR reports it."""
        return asdict(self)


class _Table:
    """Replacements and targets while they are being read."""

    def __init__(self) -> None:
        self.replacements: dict[str, str] = {}
        self.targets: list[str] = []

    def add_line(self, line: str) -> None:
        line = line.strip()
        if not line or line.startswith("#"):
            return
        for arrow in _ARROWS:
            if arrow in line:
                wrong, right = (part.strip() for part in line.split(arrow, 1))
                if wrong and right:
                    self.replacements[wrong] = right
                return
        self.targets.append(line)

    def add(self, hotwords: HotwordInput) -> None:
        if hotwords is None:
            return
        if isinstance(hotwords, str):
            for line in hotwords.splitlines():
                self.add_line(line)
        elif isinstance(hotwords, Mapping):
            for key, value in hotwords.items():
                wrong, right = str(key).strip(), str(value).strip()
                if right and wrong and wrong != right:
                    self.replacements[wrong] = right
                elif right:
                    self.targets.append(right)
        elif isinstance(hotwords, Sequence) and not isinstance(hotwords, (bytes, bytearray)):
            for item in hotwords:
                if item is not None:
                    self.add_line(str(item))
        else:
            raise TypeError(
                "postprocess_hotwords must be None, a str, a sequence of str or a mapping, "
                f"not {type(hotwords).__name__}"
            )

    def add_file(self, path: str | os.PathLike[str]) -> None:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"postprocess_hotword_file not found: {os.fspath(path)!r}")
        # "utf-8-sig": a byte-order mark must not become part of the first word.
        with open(path, encoding="utf-8-sig") as lines:
            for line in lines:
                self.add_line(line)


class HotwordCorrector:
    """A compiled set of hotwords. Immutable once built: share it between threads freely.

    Args:
        replacements: exact text -> what to write instead; longer texts are replaced first.
        targets: words to find by sound.
        threshold: least similarity of the pinyin, 0 to 1.
        fuzzy: False leaves the targets out.

    Raises:
        ValueError: if the threshold is not within 0 and 1.
        ImportError: if targets are to be matched and pypinyin is not installed.
    """

    def __init__(
        self,
        replacements: Mapping[str, str] | None = None,
        targets: Iterable[str] = (),
        threshold: float = 0.85,
        fuzzy: bool = True,
    ) -> None:
        self._threshold = float(threshold)
        if not 0.0 <= self._threshold <= 1.0:
            raise ValueError(
                f"postprocess_hotword_threshold must be between 0.0 and 1.0, not {threshold}"
            )
        # Sorting is stable: of equally long texts the first given is replaced first.
        self._replacements = tuple(
            sorted((replacements or {}).items(), key=lambda item: len(item[0]), reverse=True)
        )
        words = tuple(dict.fromkeys(word for word in map(str.strip, targets) if word))
        self._by_length: dict[int, tuple[tuple[str, str], ...]] = {}
        if words and fuzzy:
            self._pinyin = pinyin_function()
            for length in sorted({len(word) for word in words}):
                self._by_length[length] = tuple(
                    (word, self._pinyin(word)) for word in words if len(word) == length
                )

    def apply_text(self, text: str) -> tuple[str, list[HotwordMatch]]:
        """The corrected text, and what was replaced, in the order of application."""
        matches: list[HotwordMatch] = []
        if not text:
            return text, matches
        for wrong, right in self._replacements:
            start = text.find(wrong)
            while start >= 0:
                end = start + len(wrong)
                matches.append(HotwordMatch(wrong, right, 1.0, start, end))
                text = text[:start] + right + text[end:]
                start = text.find(wrong, start + len(right))
        chosen = _without_overlaps(self._candidates(text))
        for match in reversed(chosen):
            text = text[: match.start] + match.replacement + text[match.end :]
        return text, matches + chosen

    def apply_result(
        self, result: Mapping[str, Any], return_matches: bool = False
    ) -> dict[str, Any]:
        """A corrected copy of one result of ``generate``.

        ``text`` and, in every entry of ``sentence_info``, ``text`` and ``sentence`` are
        corrected. Timestamps stay those of the recognised words.

        Args:
            result: one result; it is not changed.
            return_matches: whether to add ``postprocess_hotword_matches``.
        """
        corrected = dict(result)
        text = result.get("text", "")
        matches: list[HotwordMatch] = []
        if isinstance(text, str) and text:
            corrected["text"], matches = self.apply_text(text)
            sentences = result.get("sentence_info")
            if isinstance(sentences, list):
                corrected["sentence_info"] = [self._corrected_sentence(one) for one in sentences]
        if return_matches:
            corrected["postprocess_hotword_matches"] = [match.as_dict() for match in matches]
        return corrected

    def _corrected_sentence(self, sentence: Any) -> Any:
        if not isinstance(sentence, dict):
            return sentence
        return {
            name: self.apply_text(value)[0]
            if name in _TEXT_FIELDS and isinstance(value, str)
            else value
            for name, value in sentence.items()
        }

    def _candidates(self, text: str) -> list[HotwordMatch]:
        """Every stretch of text that sounds like a target within one character of its length."""
        if not self._by_length:
            return []
        found: list[HotwordMatch] = []
        for width in range(max(1, min(self._by_length) - 1), max(self._by_length) + 2):
            targets = [
                pair
                for length in (width - 1, width, width + 1)
                for pair in self._by_length.get(length, ())
                if pair[1]
            ]
            if not targets:
                continue
            for start in range(len(text) - width + 1):
                piece = text[start : start + width]
                sound = self._pinyin(piece) if _HAS_WORD.search(piece) else ""
                # Without pinyin on either side there is nothing to compare; two empty strings
                # are no match.
                if not sound:
                    continue
                for target, target_sound in targets:
                    if piece == target:
                        continue
                    score = similarity(sound, target_sound)
                    if score >= self._threshold:
                        found.append(
                            HotwordMatch(piece, target, round(score, 4), start, start + width)
                        )
        return found


def _without_overlaps(candidates: list[HotwordMatch]) -> list[HotwordMatch]:
    """The best candidates that do not overlap: by score, then by length, then first found."""
    ranked = sorted(candidates, key=lambda m: (m.score, m.end - m.start), reverse=True)
    chosen: list[HotwordMatch] = []
    for match in ranked:
        if all(match.end <= other.start or match.start >= other.end for other in chosen):
            chosen.append(match)
    return sorted(chosen, key=lambda match: match.start)


def build_hotword_corrector(
    postprocess_hotwords: HotwordInput = None,
    postprocess_hotword_file: str | os.PathLike[str] | None = None,
    postprocess_hotword_threshold: float = 0.85,
    postprocess_hotword_fuzzy: bool = True,
) -> HotwordCorrector | None:
    """Compiles the options of one ``generate`` call; None if they name no hotword.

    Args:
        postprocess_hotwords: words, or ``wrong=>right`` (also ``->``): one a line in a str, one
            an item in a sequence; or a mapping of wrong to right.
        postprocess_hotword_file: UTF-8 file with one of these a line; ``#`` begins a comment
            line. Its entries come after and override those of ``postprocess_hotwords``.
        postprocess_hotword_threshold: least similarity for a match by sound, 0 to 1.
        postprocess_hotword_fuzzy: whether to match by sound at all.

    Raises:
        FileNotFoundError: if the file is missing.
        TypeError: if ``postprocess_hotwords`` is of another type.
        ValueError: if the threshold is not within 0 and 1.
        ImportError: if matching by sound needs pypinyin and it is not installed.
    """
    table = _Table()
    table.add(postprocess_hotwords)
    if postprocess_hotword_file:
        table.add_file(postprocess_hotword_file)
    if not table.replacements and not table.targets:
        return None
    return HotwordCorrector(
        table.replacements,
        table.targets,
        postprocess_hotword_threshold,
        postprocess_hotword_fuzzy,
    )


def apply_postprocess_hotwords(
    results: Sequence[dict[str, Any]],
    *,
    postprocess_hotwords: HotwordInput = None,
    postprocess_hotword_file: str | os.PathLike[str] | None = None,
    postprocess_hotword_threshold: float = 0.85,
    postprocess_hotword_fuzzy: bool = True,
    return_postprocess_hotword_matches: bool = False,
) -> list[dict[str, Any]]:
    """The results of one ``generate`` call with hotwords corrected.

    The options are those of :func:`build_hotword_corrector`; without any hotword the results come
    back as they are. ``results`` is not changed.
    """
    corrector = build_hotword_corrector(
        postprocess_hotwords,
        postprocess_hotword_file,
        postprocess_hotword_threshold,
        postprocess_hotword_fuzzy,
    )
    if corrector is None:
        return list(results)
    return [corrector.apply_result(one, return_postprocess_hotword_matches) for one in results]
