"""What went wrong, in the terminal: errors by kind, answers that differ, error rates."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from safeasr.bench.findings.results import Difference, Report, Run
from safeasr.bench.report.words import around_difference, shown

__all__ = ["difference_lines", "error_lines", "failed_lines"]

_DIFFERENCES = 5
_KINDS = 10


def error_lines(report: Report) -> list[RenderableType]:
    """The kinds of errors of each target over all loads, most first, with the first message."""
    kinds: dict[tuple[str, str], tuple[int, str]] = {}
    for run in report.runs:
        for one in run.errors:
            count, first = kinds.get((run.target, one.kind), (0, one.first))
            kinds[run.target, one.kind] = (count + one.count, first)
    most = sorted(kinds.items(), key=lambda one: -one[1][0])[:_KINDS]
    lines: list[RenderableType] = []
    for (target, kind), (count, first) in most:
        line = Text(f"{shown(target, 60)}  {count:,} x ").append(shown(kind, 60), style="red")
        lines.append(line.append(f"  {shown(first)}", style="dim"))
    if len(kinds) > _KINDS:
        lines.append(Text(f"and {len(kinds) - _KINDS} more kinds", style="dim"))
    return lines


def failed_lines(report: Report) -> list[RenderableType]:
    """The targets that could not be measured, or not to the end, and why."""
    lines: list[RenderableType] = []
    # Older reports know no such targets.
    for one in getattr(report, "failed", []):
        line = Text(f"{shown(one.get('target', ''), 60)}: ", style="bold red")
        # Of several lines the first says what happened; all of them are on the standard error.
        first, *_ = str(one.get("message", "")).strip().splitlines() or [""]
        first = first.removeprefix(f"{one.get('target', '')}: ")
        lines.append(line.append(shown(first, 400), style="not bold"))
    return lines


def _difference(run: Run, one: Difference, count: int) -> list[RenderableType]:
    kind = {
        "different": "another text",
        "swapped": f"the text of {shown(one.whose, 60)}",
        "empty": "nothing",
        "doubled": "more than one answer",
    }.get(one.kind, shown(one.kind))
    head = Text(f"{shown(run.target, 60)}  {shown(one.clip, 60)}  ")
    head.append(f"{count:,} x {kind}", style="magenta")
    when = f"  first with {shown(run.load.get('label', ''), 40)}, at {one.at:.1f} s"
    expected, got = around_difference(one.expected, one.got, 200, 40)
    return [
        head.append(when, style="dim"),
        Text.assemble(("  alone       ", "dim"), shown(expected, 400) or "nothing"),
        Text.assemble(("  under load  ", "dim"), shown(got, 400) or "nothing"),
    ]


def difference_lines(report: Report) -> list[RenderableType]:
    """The clips that were most often answered otherwise than alone, with the first such answer."""
    found: dict[tuple[str, str, str], tuple[Run, Difference, int]] = {}
    for run in report.runs:
        for one in run.differences:
            key = (run.target, one.clip, one.kind)
            first, shown_one, count = found.get(key, (run, one, 0))
            found[key] = (first, shown_one, count + one.count)
    most = sorted(found.values(), key=lambda each: -each[2])
    lines = [line for each in most[:_DIFFERENCES] for line in _difference(*each)]
    if len(most) > _DIFFERENCES:
        lines.append(Text(f"and {len(most) - _DIFFERENCES:,} more clips", style="dim"))
    return lines
