"""Whether answers are right: beside what the target says alone, and beside references."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from safeasr.bench.audio.clips import Clip
from safeasr.bench.findings.results import Comparison, Counts, Difference
from safeasr.bench.load.records import Outcome, Records
from safeasr.bench.targets.base import Answer

__all__ = ["Judgement", "accuracy_of", "judge"]

#: Scripts that are written without spaces between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff]"
)
_TAGS = re.compile(r"<\|[^|>]*\|>")


@dataclass
class Judgement:
    """What became of the requests, and which of them were answered wrongly.

    Attributes:
        counts: in all.
        differences: one a clip and kind, those that came most often first.
        wrong: of each request, whether its answer is wrong; (n,) in the order of the records.
    """

    counts: Counts
    differences: list[Difference] = field(default_factory=list)
    wrong: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))


def _verdict(
    clip: int, answer: Answer, alone: Sequence[Answer | None], owners: dict[str, int]
) -> str:
    expected = alone[clip] if clip < len(alone) else None
    # What gives several parts, or none, when it is alone may do so under load.
    if answer.finals != (1 if expected is None else expected.finals):
        return "empty" if answer.finals == 0 else "doubled"
    if expected is None or expected.identity() == answer.identity():
        return "right"
    if not answer.text:
        return "empty"
    owner = owners.get(answer.identity())
    return "different" if owner is None or owner == clip else "swapped"


def judge(
    records: Records, clips: Sequence[Clip], alone: Sequence[Answer | None], begin: float
) -> Judgement:
    """Compare every answer with the one that the target gave to the same clip alone.

    Args:
        records: of the load.
        clips: by number.
        alone: by the clip's number; what is None, or not there, is compared with nothing.
        begin: second 0 of the load.
    """
    owners: dict[str, int] = {}
    for number, answer in enumerate(alone):
        if answer is not None and answer.text:
            owners.setdefault(answer.identity(), number)
    verdicts = [_verdict(clip, answer, alone, owners) for clip, answer in records.answers]
    outcome = np.array(records.outcome, dtype=np.int8)
    what = np.array(records.what, dtype=np.int64)
    answered = outcome == Outcome.ANSWERED
    kinds = Counter[str]()
    wrong = np.zeros(len(records), dtype=bool)
    differences: dict[tuple[int, str], Difference] = {}
    asked_at = records.column("due")
    times = np.bincount(what[answered], minlength=len(verdicts))
    for number, verdict in enumerate(verdicts):
        kinds[verdict] += int(times[number])
        if verdict == "right" or not times[number]:
            continue
        mine = answered & (what == number)
        wrong |= mine
        clip, answer = records.answers[number]
        at = float(asked_at[mine].min()) - begin
        known = differences.get((clip, verdict))
        if known is None or at < known.at:
            expected = alone[clip] if clip < len(alone) else None
            owner = owners.get(answer.identity()) if verdict == "swapped" else None
            differences[clip, verdict] = Difference(
                clips[clip].name,
                verdict,
                expected.identity() if expected is not None else "",
                answer.identity(),
                int(times[number]) + (known.count if known else 0),
                round(at, 3),
                whose=clips[owner].name if owner is not None else None,
            )
        else:
            known.count += int(times[number])
    counts = Counts(
        asked=len(records),
        right=kinds["right"],
        different=kinds["different"],
        swapped=kinds["swapped"],
        empty=kinds["empty"],
        doubled=kinds["doubled"],
        lost=int((outcome == Outcome.LOST).sum()),
        failed=int((outcome == Outcome.FAILED).sum()),
        refused=int((outcome == Outcome.REFUSED).sum()),
    )
    found = sorted(differences.values(), key=lambda one: -one.count)
    return Judgement(counts, found, wrong)


def _plain(text: str, unit: str) -> str:
    """Without case, punctuation and tags; characters apart where they are what is counted."""
    text = unicodedata.normalize("NFKC", _TAGS.sub(" ", text)).lower()
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text)
    return " ".join(kept.replace(" ", "") if unit == "character" else kept.split())


def accuracy_of(
    records: Records, clips: Sequence[Clip], alone: Sequence[Answer | None]
) -> Comparison | None:
    """Error rates beside the references, alone and under load; None without references or jiwer."""
    # Those that failed alone would count on one side only.
    known = {
        n: clip.reference
        for n, clip in enumerate(clips)
        if clip.reference and (not alone or alone[n] is not None)
    }
    if not known:
        return None
    try:
        jiwer = importlib.import_module("jiwer")
    except ImportError:
        return None
    unspaced = sum(bool(_UNSPACED.search(text)) for text in known.values())
    unit = "character" if 2 * unspaced > len(known) else "word"

    def errors(number: int, text: str) -> tuple[int, int]:
        reference = _plain(known[number], unit)
        length = len(reference.split())
        if not length:
            return 0, 0
        measured = jiwer.process_words(reference, _plain(text, unit))
        return measured.substitutions + measured.deletions + measured.insertions, length

    def rate(weighed: Sequence[tuple[tuple[int, int], int]]) -> float | None:
        total = sum(length * times for (_, length), times in weighed)
        if not total:
            return None
        return round(sum(wrong * times for (wrong, _), times in weighed) / total, 5)

    answered = np.array(records.outcome) == Outcome.ANSWERED
    # Weighed alike: a load rarely says every clip equally often.
    said = np.bincount(np.array(records.clip, dtype=np.int64)[answered], minlength=len(clips))
    alone_rate = rate(
        [
            (errors(number, answer.text), int(said[number]))
            for number, answer in enumerate(alone)
            if answer is not None and number in known
        ]
    )
    times = np.bincount(
        np.array(records.what, dtype=np.int64)[answered], minlength=len(records.answers)
    )
    loaded_rate = rate(
        [
            (errors(clip, answer.text), int(times[number]))
            for number, (clip, answer) in enumerate(records.answers)
            if clip in known and times[number]
        ]
    )
    return Comparison(unit, alone_rate, loaded_rate, len(known))
