"""A model's result as a transcript: its text, sentences and words, with times in seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from safeasr.text.sentences import ASCII_MARKS, joint, untagged
from safeasr.text.word_split import split_words

__all__ = ["Segment", "Transcript", "Word", "shown", "transcript_of"]

_LANGUAGE: Final = re.compile(r"<\|(zh|en|yue|ja|ko)\|>")
_ENDS: Final = (".", "?", "!", "。", "？", "！")
_MARKS: Final = re.compile(r"[，。？！、；：,.?!;:]+")
#: FunASR marks sentences of any language with wide marks; behind Latin letters stand narrow ones.
_WIDE: Final = re.compile(r"(?<=[!-~])([，。？、])")
#: Sentences longer than this end at any mark.
_LONG_S: Final = 12.0


@dataclass(frozen=True)
class Word:
    """One word; `start` and `end` in seconds."""

    word: str
    start: float
    end: float


@dataclass
class Segment:
    """A sentence.

    Attributes:
        text: with its marks.
        start: in seconds.
        end: in seconds.
        speaker: the number of who says it, if that is known.
        words: of it, if the model tells their times.
    """

    text: str
    start: float
    end: float
    speaker: int | None = None
    words: list[Word] = field(default_factory=list)


@dataclass
class Transcript:
    """What was said in a recording.

    Attributes:
        text: all of it.
        language: "zh", "en", ...; "unknown" where nobody says so.
        duration: of the recording, in seconds.
        segments: its sentences.
        failed: parts that could not be recognised.
    """

    text: str
    language: str
    duration: float
    segments: list[Segment]
    failed: int = 0

    @property
    def words(self) -> list[Word]:
        """All words."""
        return [word for segment in self.segments for word in segment.words]


def shown(text: str) -> str:
    """A sentence's text as one reads it."""
    return _WIDE.sub(lambda mark: ASCII_MARKS[mark.group(1)], untagged(text)).strip()


def transcript_of(
    result: Mapping[str, Any], duration: float | None, language: str | None
) -> Transcript:
    """Read a result of ``AutoModel.generate``.

    Args:
        result: with ``sentence_info`` or ``timestamp`` where the model has them.
        duration: of the recording in seconds; None: until the last word.
        language: that the client asked for.
    """
    raw = str(result.get("text", ""))
    text = untagged(raw)
    sentences = [_segment(one) for one in result.get("sentence_info") or ()]
    segments = list(_together([one for one in sentences if one.text]))
    _take_letters_from(text, segments)
    if not segments and text:
        segments = [_whole(text, result, duration)]
    if duration is None:
        duration = segments[-1].end if segments else 0.0
    found = _LANGUAGE.search(raw)
    said = found.group(1) if found else language
    return Transcript(text, said or "unknown", duration, segments, len(result.get("errors") or ()))


def _take_letters_from(text: str, segments: Sequence[Segment]) -> None:
    """Write sentences as the whole text has them: with capitals where it begins sentences so."""
    folded, at = text.casefold(), 0
    if len(folded) != len(text):  # letters that fold into several
        return
    for segment in segments:
        found = folded.find(segment.text.casefold(), at)
        if found >= 0:
            at = found + len(segment.text)
            segment.text = text[found:at]


def _whole(text: str, result: Mapping[str, Any], duration: float | None) -> Segment:
    times = result.get("timestamp") or ()
    names = result.get("words")
    words = _words(split_words(_MARKS.sub(" ", text)) if names is None else names, times)
    end = duration if duration is not None else (times[-1][1] / 1000 if times else 0.0)
    return Segment(text, 0.0, round(end, 3), None, words)


def _segment(one: Mapping[str, Any]) -> Segment:
    text = shown(str(one.get("text", "")))
    words = _words(split_words(_MARKS.sub(" ", text)), one.get("timestamp") or ())
    start, end = int(one["start"]) / 1000, int(one["end"]) / 1000
    if not words and text:
        words = [Word(text, start, end)]
    speaker = one.get("spk")
    return Segment(text, start, end, None if speaker is None else int(speaker), words)


def _words(names: Sequence[str], times: Sequence[Sequence[int]]) -> list[Word]:
    """Words with their times; none where the numbers of the two disagree."""
    if len(names) != len(times):
        return []
    return [
        Word(str(name), int(start) / 1000, int(end) / 1000)
        for name, (start, end, *_) in zip(names, times, strict=True)
    ]


def _together(parts: Sequence[Segment]) -> Iterator[Segment]:
    """FunASR ends sentences at commas; here they end where sentences do."""
    kept: Segment | None = None
    for part in parts:
        if kept is not None and _goes_on(kept, part):
            kept.text += joint(kept.text, part.text) + part.text
            kept.end = part.end
            kept.words += part.words
            continue
        if kept is not None:
            yield kept
        kept = part
    if kept is not None:
        yield kept


def _goes_on(before: Segment, after: Segment) -> bool:
    return (
        before.speaker == after.speaker
        and not before.text.endswith(_ENDS)
        and after.end - before.start <= _LONG_S
    )
