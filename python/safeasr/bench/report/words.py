"""Numbers and texts of results, as people read them in a terminal."""

from __future__ import annotations

from safeasr.bench.findings.results import Latency, Report, Run
from safeasr.printable import printable

__all__ = ["around_difference", "by_load", "differs", "ms", "number", "share", "shown", "targets"]


def number(value: float | None, digits: int = 3) -> str:
    """To so many digits, whole thousands in full; "-" if not known."""
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ms(value: float | None) -> str:
    """A time with its unit: ms, from 10 s on seconds."""
    if value is None:
        return "-"
    return f"{number(value / 1000)} s" if abs(value) >= 10_000 else f"{number(value)} ms"


def share(count: float, whole: float) -> str:
    """Percent; all of it alone is 100 %, and nothing alone is 0 %."""
    if not whole:
        return "-"
    percent = 100 * count / whole
    if count and percent < 0.01:
        return "<0.01 %"
    if count < whole and percent > 99.99:
        return ">99.99 %"
    return f"{percent:.4g} %" if percent > 99 else f"{percent:.3g} %"


def shown(text: object, limit: int = 200) -> str:
    """What others wrote, on one line and without anything that a terminal would act on."""
    return printable(" ".join(str(text).split()), limit)


def targets(report: Report) -> list[str]:
    """Each once, in the order they ran."""
    return list(dict.fromkeys(run.target for run in report.runs))


def by_load(report: Report) -> list[tuple[str, list[Run]]]:
    """Runs of the same load together, so that targets stand side by side."""
    loads = dict.fromkeys(str(run.load.get("label", "")) for run in report.runs)
    order = targets(report)
    return [
        (
            load,
            sorted(
                (run for run in report.runs if str(run.load.get("label", "")) == load),
                key=lambda run: order.index(run.target),
            ),
        )
        for load in loads
    ]


def differs(one: Latency, other: Latency) -> bool:
    """Whether two latencies are further apart than anybody would care."""
    if one.p95 is None or other.p95 is None:
        return False
    return abs(one.p95 - other.p95) > 0.02 * max(one.p95, other.p95)


def around_difference(one: str, other: str, limit: int, context: int) -> tuple[str, str]:
    """Two texts, cut to so many characters around the place from which on they differ.

    Args:
        one: a text.
        other: another one.
        limit: characters of each that are kept.
        context: characters before the first that differs; texts within the limit are not cut.
    """
    start = 0
    if max(len(one), len(other)) > limit:
        start = max(0, _common(one, other) - context)
    return _cut(one, start, limit), _cut(other, start, limit)


def _common(one: str, other: str) -> int:
    """How many characters are the same at the beginning; by halves, for texts may be long."""
    same, end = 0, min(len(one), len(other))
    while same < end:
        middle = (same + end + 1) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            end = middle - 1
    return same


def _cut(text: str, start: int, limit: int) -> str:
    end = "…" if len(text) > start + limit else ""
    return ("…" if start else "") + text[start : start + limit] + end
