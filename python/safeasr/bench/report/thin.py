"""A report small enough to be one page: fewer points in time, shorter texts, less audio."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from safeasr.bench.findings.results import Difference, Latency, Report, Run, Second
from safeasr.bench.report.embed import script_safe, to_json
from safeasr.bench.report.words import around_difference

__all__ = ["AUDIO_BYTES", "TEXT_BYTES", "TIMELINE_BYTES", "thin", "thin_seconds"]

#: What time lines, texts and audio may take of a page; under 5 MB together with all else.
TIMELINE_BYTES = 2_000_000
TEXT_BYTES = 1_000_000
AUDIO_BYTES = 1_500_000

# Points of a time line: as many as a wide screen has pixels for, and what tells little more than
# nothing, below which it does not go.
_MOST_POINTS = 900
_FEWEST_POINTS = 30
# Differing clips of a run, and characters of each text: the first that fits, or the last.
_EXTENTS = ((100, 3000), (50, 1000), (20, 500), (5, 200))
_ERRORS = 50  # kinds of a run
_CONTEXT = 100  # characters before the first that differs, if the texts are long
_LATENCIES = ("latency", "latency_sent", "first_partial", "first_final", "second_pass", "chunk")


def thin(report: Report) -> Report:
    """A copy of a report that takes less than 5 MB as a page; the report itself stays as it is.

    Seconds are put together (:func:`thin_seconds`), long texts cut around what differs, and audio
    is left out beyond a limit; notes say what was left out.
    """
    runs: list[Run] = []
    for most, characters in _EXTENTS:
        runs = [_shortened(run, most, characters) for run in report.runs]
        if _text_bytes(runs) <= TEXT_BYTES:
            break
    _limit_audio(runs)
    # Each run gets as many points, and a point of a machine with many cores is larger.
    point = sum(_point_bytes(run.seconds) for run in runs)
    points = min(_MOST_POINTS, max(_FEWEST_POINTS, int(TIMELINE_BYTES / max(point, 1))))
    for run in runs:
        run.seconds = thin_seconds(run.seconds, points)
    return replace(report, runs=runs)


def _text_bytes(runs: list[Run]) -> int:
    texts = [one.first for run in runs for one in run.errors]
    texts += [text for run in runs for one in run.differences for text in (one.expected, one.got)]
    return len(script_safe(json.dumps(texts, ensure_ascii=False)).encode())


def _point_bytes(seconds: list[Second]) -> float:
    """What one point of a time line takes, roughly."""
    sample = seconds[:: max(1, len(seconds) // 20)]
    probe = Run("", {}, seconds=[_joined([one]) for one in sample])
    return len(to_json(Report("", "", runs=[probe]))) / max(1, len(sample)) if sample else 0.0


def _shortened(run: Run, most: int, characters: int) -> Run:
    notes = list(run.notes)
    for what, found, limit in (
        ("differing clips", len(run.differences), most),
        ("kinds of errors", len(run.errors), _ERRORS),
    ):
        if found > limit:
            notes.append(f"The page shows {limit} of {found:,} {what}; the JSON file has all.")
    kept = replace(
        run,
        errors=[replace(one, first=one.first[:characters]) for one in run.errors[:_ERRORS]],
        differences=[_difference(one, characters) for one in run.differences[:most]],
        notes=notes,
    )
    for name in _LATENCIES:
        setattr(kept, name, _rounded(getattr(run, name)))
    return kept


def _difference(one: Difference, characters: int) -> Difference:
    expected, got = around_difference(one.expected, one.got, characters, _CONTEXT)
    return replace(one, expected=expected, got=got)


def _limit_audio(runs: list[Run]) -> None:
    left = AUDIO_BYTES
    for run in runs:
        without = 0
        kept = []
        for one in run.differences:
            size = len(one.audio or "")
            fits = size <= left
            kept.append(one if fits else replace(one, audio=None))
            left -= size if fits else 0
            without += not fits
        run.differences = kept
        if without:
            run.notes.append(f"The page leaves out the audio of {without:,} differing clips.")


def _round(value: float) -> float:
    """To five digits: a page shows no more."""
    return float(f"{value:.5g}")


def _rounded(latency: Latency) -> Latency:
    made = replace(latency)
    for name in ("p50", "p90", "p95", "p99", "p999", "mean", "max"):
        value = getattr(latency, name)
        setattr(made, name, None if value is None else _round(value))
    return made


def thin_seconds(seconds: list[Second], points: int) -> list[Second]:
    """At most so many seconds, each for several of the given ones if there are more.

    Of those, counts are added up, and `width` says of how many seconds. p50 and how busy the
    processors were are means (p50 by the number of answers); all else is the largest value, so that
    no peak is lost.
    """
    step = -(-len(seconds) // max(points, 1)) or 1
    return [_joined(seconds[at : at + step]) for at in range(0, len(seconds), step)]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _joined(group: list[Second]) -> Second:
    def over(name: str, how: Callable[[list[float]], float]) -> Any:
        values = _known(getattr(one, name) for one in group)
        return _round(how(values)) if values else None

    def largest_int(name: str) -> int | None:
        return max((v for one in group if (v := getattr(one, name)) is not None), default=None)

    counts = {
        name: sum(getattr(one, name) for one in group)
        for name in ("asked", "answered", "failed", "refused", "wrong")
    }
    maxima = {
        name: over(name, max)
        for name in ("p95", "memory_mb", "context_switches", "throttled", "gpu", "gpu_memory_mb")
    }
    weights = [(one.p50, max(one.answered, 1)) for one in group if one.p50 is not None]
    p50 = sum(p * n for p, n in weights) / sum(n for _, n in weights) if weights else None
    busy = [one.cores for one in group if one.cores]
    wide = max(map(len, busy), default=0)
    names = dict.fromkeys(name for one in group for name in one.target)
    return Second(
        t=round(group[0].t, 3),
        width=sum(one.width for one in group),
        in_flight=max(one.in_flight for one in group),
        p50=None if p50 is None else _round(p50),
        cores=[
            round(_mean([cores[i] for cores in busy if i < len(cores)]), 3) for i in range(wide)
        ],
        target_cores=over("target_cores", _mean),
        tester_cores=over("tester_cores", _mean),
        threads=largest_int("threads"),
        target={
            name: _round(max(one.target[name] for one in group if name in one.target))
            for name in names
        },
        **counts,
        **maxima,
    )
