"""The summary in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from safeasr.bench.findings.results import Report, Run
from safeasr.bench.report.terminal_failures import difference_lines, error_lines, failed_lines
from safeasr.bench.report.terminal_memory import memory_lines
from safeasr.bench.report.words import by_load, differs, ms, number, share, shown, targets

__all__ = ["print_report"]

#: Narrower terminals get the table of runs in two.
_WIDE = 110
#: Narrower ones have no room for columns that hold the same in every row.
_MEDIUM = 80
_Column = tuple[str, Callable[[Run], "str | Text"]]


def print_report(report: Report, console: Console | None = None) -> None:
    """Print what a report says: environment, runs, errors, differing clips, what held it up.

    Args:
        report: whose.
        console: where to; default: the standard output, with colours if it is a terminal.
    """
    console = console or Console(highlight=False)
    for part in _parts(report, console.width):
        console.print(part, highlight=False)


def _parts(report: Report, width: int) -> Iterable[RenderableType]:
    yield Text(shown(report.title), style="bold")
    if environment := _environment(report):
        yield Text(environment, style="dim")
    if report.interrupted:
        yield Text("Interrupted: this is what was measured until then.", style="bold yellow")
    yield Text()
    if failed := failed_lines(report):
        title = "FAILED: not all targets could be measured"
        yield Panel(Group(*failed), title=title, border_style="bold red", expand=False)
    for target in targets(report):
        yield _verdict(report, target)
    invalid = [run for run in report.runs if not run.tester.valid]
    if invalid:
        lines = [f"{_name(run)}: {shown(run.tester.reason)}" for run in invalid]
        title = "INVALID: the tester itself was the bottleneck"
        yield Panel(Text("\n".join(lines)), title=title, border_style="bold red", expand=False)
    yield Text()
    yield from _tables(report, width)
    yield from _sessions(report, width)
    yield from _section("Errors, with the first of each kind", error_lines(report))
    yield from _section(
        "Answers that differ from the target's own, alone", difference_lines(report)
    )
    yield from _accuracy(report, width)
    yield from _section("Most that reaches the goal", _found(report))
    yield from _section("What held the load up", _bottlenecks(report))
    yield from _section("Growth of the target's memory", memory_lines(report))
    yield from _section("Notes", _notes(report))


def _name(run: Run) -> str:
    return f"{shown(run.target, 60)}, {shown(run.load.get('label', ''), 40)}"


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    return shown(value, 60)


def _environment(report: Report) -> str:
    known = {
        key: text
        for key, value in report.environment.items()
        if value is not None and (text := _plain(value))
    }
    parts = [f"{key.replace('_', ' ')} {text}" for key, text in known.items()]
    if count := report.clips.get("count"):
        parts.append(f"{number(count)} clips, {number(report.clips.get('seconds'))} s")
    return " · ".join(parts)


def _verdict(report: Report, target: str) -> Text:
    counts = [run.counts for run in report.runs if run.target == target]
    asked, refused = sum(one.asked for one in counts), sum(one.refused for one in counts)
    wrong, errors = sum(one.wrong for one in counts), sum(one.errors for one in counts)
    line = Text(f"{shown(target, 60)}: ", style="bold")
    line.append(f"{errors:,} errors", style="bold red" if errors else "green")
    line.append(", ", style="not bold")
    line.append(f"{wrong:,} silently wrong", style="bold magenta" if wrong else "green")
    line.append(f" in {asked:,} requests", style="not bold")
    if refused:
        line.append(f", {refused:,} refused", style="yellow")
    return line


def _counted(count: int, style: str) -> Text:
    return Text(f"{count:,}", style=style if count else "")


def _widest(names: Iterable[object]) -> int:
    return max((cell_len(shown(name, 60)) for name in names), default=1)


def _table(
    report: Report, title: str, columns: list[_Column], keep: Callable[[Run], bool]
) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # Long names fold; others stay whole, and so do the numbers.
    table.add_column(
        "load",
        overflow="fold",
        min_width=min(12, _widest(run.load.get("label", "") for run in report.runs)),
    )
    table.add_column(
        "target", overflow="fold", min_width=min(16, _widest(run.target for run in report.runs))
    )
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for load, runs in by_load(report):
        kept = [run for run in runs if keep(run)]
        for at, run in enumerate(kept):
            who = Text(shown(run.target, 60), style="" if run.tester.valid else "red")
            if not run.tester.valid:
                who.append(" INVALID", style="bold red")
            cells = [of(run) for _, of in columns]
            end = at == len(kept) - 1 and len(runs) > 1
            table.add_row("" if at else shown(load, 40), who, *cells, end_section=end)
    return table


def _tables(report: Report, width: int) -> Iterable[RenderableType]:
    if not report.runs:
        yield Text("Nothing was measured.")
        return
    answers: list[_Column] = [
        ("asked", lambda run: f"{run.counts.asked:,}"),
        ("right", lambda run: share(run.counts.right, run.counts.asked)),
        ("wrong", lambda run: _counted(run.counts.wrong, "bold magenta")),
        ("failed", lambda run: _counted(run.counts.errors, "bold red")),
    ]
    if any(run.counts.refused for run in report.runs):
        answers.append(("refused", lambda run: _counted(run.counts.refused, "yellow")))
    answers.append(("RTFx", lambda run: number(run.rtfx)))
    times: list[_Column] = [
        ("p50", lambda run: ms(run.latency.p50)),
        ("p95", lambda run: ms(run.latency.p95)),
        ("p99", lambda run: ms(run.latency.p99)),
    ]
    if any(differs(run.latency, run.latency_sent) for run in report.runs):
        times.append(("p95 sent", lambda run: ms(run.latency_sent.p95)))
    if width >= _WIDE:
        yield _table(report, "Runs", answers + times, lambda run: True)
    else:
        yield _table(report, "Answers", answers, lambda run: True)
        yield _table(
            report, "Latency", [("per s", lambda r: number(r.per_s)), *times], lambda r: True
        )


def _pair(attribute: str, wide: bool) -> Callable[[Run], str]:
    def of(run: Run) -> str:
        latency = getattr(run, attribute)
        if not latency.samples:
            return "-"
        return f"{ms(latency.p50)} / {ms(latency.p95)}" if wide else ms(latency.p95)

    return of


def _sessions(report: Report, width: int) -> Iterable[RenderableType]:
    wanted = ("first_partial", "first_final", "second_pass", "chunk")
    wide = width >= _WIDE
    runs = [run for run in report.runs if run.real_time is not None]
    columns: list[_Column] = [
        (attribute.replace("_", " " if wide else "\n"), _pair(attribute, wide))
        for attribute in wanted
        if any(getattr(run, attribute).samples for run in runs)
    ]
    columns.append(("real time", lambda run: share(run.real_time or 0.0, 1.0)))
    if runs:
        title = f"Sessions, {'p50 / ' if wide else ''}p95"
        yield _table(report, title, columns, lambda run: run.real_time is not None)


def _section(title: str, lines: list[RenderableType]) -> Iterable[RenderableType]:
    if lines:
        yield Text(title, style="bold")
        yield Padding(Group(*lines), (0, 0, 1, 2), expand=False)


def _error_rate(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _accuracy(report: Report, width: int) -> Iterable[RenderableType]:
    runs = {id(run): one for run in report.runs if (one := run.accuracy)}
    if not runs:
        return
    title = "Error rate beside the references"
    columns: list[_Column] = [
        ("alone", lambda run: _error_rate(runs[id(run)].alone)),
        ("under load", lambda run: _error_rate(runs[id(run)].loaded)),
    ]
    if width >= _MEDIUM:
        columns.insert(0, ("unit", lambda run: runs[id(run)].unit))
        columns.append(("references", lambda run: f"{runs[id(run)].references:,}"))
    else:
        # They are the same in nearly all runs, and would push out the figures.
        each = dict.fromkeys(f"{one.references:,}, by {one.unit}" for one in runs.values())
        title = f"{title} ({'; '.join(each)})"
        columns[1] = ("under\nload", columns[1][1])
    yield _table(report, title, columns, lambda r: id(r) in runs)


def _found(report: Report) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for one in report.found:
        line = Text(f"{shown(one.get('target'), 60)}: ")
        level, unit = one.get("level"), shown(one.get("unit", ""), 40)
        if not level:
            most = "no level reaches it"
        else:
            most = (
                f"{'' if one.get('bounded', True) else 'at least '}{number(level)} {unit}".strip()
            )
        line.append(most, style="bold")
        tried = [f"{number(at)} {'yes' if held else 'no'}" for at, held in one.get("tried", [])]
        goal = shown(one.get("goal", ""))
        lines.append(line.append(f"  ({goal}; tried {', '.join(tried)})", style="dim"))
    return lines


def _bottlenecks(report: Report) -> list[RenderableType]:
    where: dict[str, dict[str, list[str]]] = {}
    for run in report.runs:
        if run.bottleneck:
            label = shown(run.load.get("label", ""), 40)
            where.setdefault(run.bottleneck, {}).setdefault(run.target, []).append(label)
    return [
        Text.assemble(
            "; ".join(f"{shown(name, 60)} ({', '.join(labels)})" for name, labels in runs.items()),
            ": ",
            (shown(sentence, 400), "bold"),
        )
        for sentence, runs in where.items()
    ]


def _notes(report: Report) -> list[RenderableType]:
    notes = dict.fromkeys(note for run in report.runs for note in run.notes)
    return [Text(shown(note, 400)) for note in notes]
