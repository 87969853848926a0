"""Two reports beside each other: what became better, what worse, and what chance explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from safeasr.bench.findings.results import Report, Run
from safeasr.bench.report.resample import newcombe, resampled_latency, resampled_throughput
from safeasr.bench.report.words import ms, number, share, shown, targets

__all__ = ["Change", "ComparedRuns", "ReportComparison", "compare", "print_comparison"]

Word = Literal["better", "worse", "no difference seen", "cannot tell"]


@dataclass
class Change:
    """One figure of two runs.

    Attributes:
        measure: "RTFx", "requests/s", "p50", "p95", "p99", "errors", "wrong".
        before, after: values: per second, ms, or a share of the requests; None if not known.
        change: from before to after in %; of shares, in percentage points.
        low, high: its 95 % interval; None if there is too little to tell.
        word: the verdict. "better" and "worse" only if the interval is all on one side of 0.
    """

    measure: str
    before: float | None
    after: float | None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    word: Word = "cannot tell"


@dataclass
class ComparedRuns:
    """Two runs under the same load: their targets, the load's label, what changed, and warnings."""

    before: str
    after: str
    load: str
    changes: list[Change]
    warnings: list[str] = field(default_factory=list)


@dataclass
class ReportComparison:
    """Two reports.

    Attributes:
        runs: those that have a counterpart.
        only_before, only_after: "target, load" of those that have none.
        environment: what differs between the machines, as name: (before, after).
    """

    runs: list[ComparedRuns] = field(default_factory=list)
    only_before: list[str] = field(default_factory=list)
    only_after: list[str] = field(default_factory=list)
    environment: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def worse(self) -> bool:
        """Whether anything became worse."""
        return any(one.word == "worse" for run in self.runs for one in run.changes)


def compare(a: Report, b: Report, *, seed: int = 0) -> ReportComparison:
    """What changed from report `a` to report `b`.

    Runs belong together if load and target have the same labels; targets whose label only one
    report has are matched in their order. The intervals come from within the two runs: what differs
    from one start of a process, or from one day, to the next is not in them.

    Args:
        a: before.
        b: after.
        seed: of the resampling; the same seed gives the same intervals.
    """
    renamed = _matched(targets(a), targets(b))
    made = ReportComparison(environment=_changed(a, b))
    left = list(b.runs)
    random = np.random.default_rng(seed)
    for run in a.runs:
        label = run.load.get("label")
        other = next(
            (
                one
                for one in left
                if one.target == renamed.get(run.target) and one.load.get("label") == label
            ),
            None,
        )
        if other is None:
            made.only_before.append(f"{run.target}, {label}")
            continue
        left.remove(other)
        made.runs.append(_compared(run, other, random))
    made.only_after = [f"{run.target}, {run.load.get('label')}" for run in left]
    return made


def _matched(before: list[str], after: list[str]) -> dict[str, str]:
    same = {name: name for name in before if name in after}
    rest = ([n for n in before if n not in same], [n for n in after if n not in same])
    return same | dict(zip(*rest, strict=False))


def _changed(a: Report, b: Report) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys([*a.environment, *b.environment])
    pairs = {name: (a.environment.get(name), b.environment.get(name)) for name in names}
    return {name: (str(x), str(y)) for name, (x, y) in pairs.items() if x != y}


def _compared(a: Run, b: Run, random: np.random.Generator) -> ComparedRuns:
    warnings = [
        f"the run {which} is invalid: {run.tester.reason}"
        for which, run in (("before", a), ("after", b))
        if not run.tester.valid
    ]
    throughput = _ratio(resampled_throughput(a, random), resampled_throughput(b, random))
    changes = [
        # Both runs hear the same clips, so what requests per second vary by, audio does too.
        _relative("RTFx", a.rtfx, b.rtfx, throughput, more_is_better=True),
        _relative("requests/s", a.per_s, b.per_s, throughput, more_is_better=True),
    ]
    names = ["p50", "p95", "p99"]
    shares = [0.5, 0.95, 0.99]
    factors = _ratio(
        resampled_latency(a, a.latency, shares, random),
        resampled_latency(b, b.latency, shares, random),
    )
    for place, name in enumerate(names):
        before, after = getattr(a.latency, name), getattr(b.latency, name)
        one = None if factors is None else factors[:, place]
        changes.append(_relative(name, before, after, one, more_is_better=False))
    changes += [_rate("errors", a, b), _rate("wrong", a, b)]
    return ComparedRuns(a.target, b.target, str(a.load.get("label")), changes, warnings)


def _ratio(
    before: NDArray[np.float64] | None, after: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    if before is None or after is None or not before.all():
        return None
    return np.asarray(after / before)


def _relative(
    measure: str,
    before: float | None,
    after: float | None,
    factors: NDArray[np.float64] | None,
    *,
    more_is_better: bool,
) -> Change:
    made = Change(measure, before, after)
    if not before or after is None:
        return made
    made.change = 100 * (after / before - 1)
    if factors is not None:
        low, high = np.percentile(after / before * factors, [2.5, 97.5])
        made.low, made.high = 100 * (float(low) - 1), 100 * (float(high) - 1)
        made.word = _word(made.low, made.high, more_is_better)
    return made


def _rate(measure: str, a: Run, b: Run) -> Change:
    counts = [(int(getattr(run.counts, measure)), run.counts.asked) for run in (a, b)]
    rates = [count / asked if asked else None for count, asked in counts]
    made = Change(measure, rates[0], rates[1])
    if None not in rates:
        change, low, high = (100 * value for value in newcombe(*counts))
        made.change, made.low, made.high = change, low, high
        made.word = _word(low, high, False)
    return made


def _word(low: float, high: float, more_is_better: bool) -> Word:
    if low <= 0 <= high:
        return "no difference seen"
    return "better" if (low > 0) == more_is_better else "worse"


def _signed(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:+.1f}{unit}" if abs(value) < 1000 else f"{value:+,.0f}{unit}"


def _rows(one: Change) -> Iterable[Text | str]:
    points = one.measure in ("errors", "wrong")
    show = {"p50": ms, "p95": ms, "p99": ms}.get(one.measure, number)
    for value in (one.before, one.after):
        yield share(value, 1) if points and value is not None else show(value)
    yield _signed(one.change, " pt" if points else " %")
    known = one.low is not None
    yield f"{_signed(one.low, '')} to {_signed(one.high, '')}" if known else "-"
    style = {"better": "bold green", "worse": "bold red"}.get(one.word, "dim")
    yield Text(one.word, style=style)


def print_comparison(comparison: ReportComparison, console: Console | None = None) -> None:
    """Print it: a table for each pair of runs; default: to the standard output."""
    console = console or Console(highlight=False)
    for name, (before, after) in comparison.environment.items():
        line = f"{shown(name)} differs: {shown(before)} before, {shown(after)} after"
        console.print(Text(line, style="yellow"))
    for run in comparison.runs:
        same = run.before == run.after
        who = shown(run.before) if same else f"{shown(run.before)} -> {shown(run.after)}"
        table = Table(title=Text(f"{who}, {shown(run.load)}"), box=box.SIMPLE_HEAD)
        table.title_justify = "left"
        table.add_column("")
        for head in ("before", "after", "change", "95 % interval"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("")
        for one in run.changes:
            table.add_row(one.measure, *_rows(one))
        console.print(table)
        for warning in run.warnings:
            console.print(Text(f"INVALID: {shown(warning)}", style="bold red"))
    for when, names in (("before", comparison.only_before), ("after", comparison.only_after)):
        for name in names:
            console.print(Text(f"only {when}: {shown(name)}", style="yellow"))
    if not comparison.runs:
        console.print("No run of one report has a counterpart in the other.")
    else:
        text = "Intervals are of chance within the two runs; repeat runs to see how they vary."
        if any(one.word == "cannot tell" for run in comparison.runs for one in run.changes):
            text += " To tell, runs need 20 seconds in which something was answered."
        console.print(Text(text, style="dim"))
