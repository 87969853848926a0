"""Conducts a campaign for a command: shows how it goes, writes the reports, says how it ended."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from safeasr.bench.campaign import Campaign, conduct
from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.report_file import write_report
from safeasr.bench.findings.results import Report, Run
from safeasr.bench.load.fleet import Progress as Going
from safeasr.bench.load.loads import Closed, Load
from safeasr.bench.report.html import write_html
from safeasr.bench.report.junit import write_junit
from safeasr.bench.report.terminal import print_report
from safeasr.bench.targets.base import Options, TargetError
from safeasr.cli.bench.options import pairs
from safeasr.cli.say import complain

__all__ = ["Outputs", "command_line", "conduct_and_show", "with_options"]


@dataclass(frozen=True)
class Outputs:
    """Where the report goes, besides the terminal."""

    json: Path | None = None
    html: Path | None = None
    junit: Path | None = None
    alarms: Goal | None = None


def with_options(
    targets: Sequence[str],
    model: str | None,
    model_options: Sequence[str],
    headers: Sequence[str],
    **others: object,
) -> list[tuple[str, Options]]:
    """Each target with its options."""
    named = {}
    for header in headers:
        name, sign, value = header.partition(":")
        if not sign:
            raise typer.BadParameter(f"expected a header as NAME:VALUE, got {header!r}")
        named[name.strip()] = value.strip()
    options = Options(
        model=model,
        model_options=pairs(model_options, "an option"),
        headers=named,
        **others,  # type: ignore[arg-type]
    )
    return [(spec, options) for spec in targets]


def conduct_and_show(campaign: Campaign, outputs: Outputs) -> None:
    """Do it all.

    Raises:
        typer.Exit: with 1 if a target cannot be used or an alarm was raised, with 130 after Ctrl-C.
    """
    console = Console(stderr=True)
    # Where they cannot be written one wants to know before an hour of load, not after.
    for path in filter(None, (outputs.json, outputs.html, outputs.junit)):
        if not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {str(path.parent)!r}")
    try:
        with _Shown(console) as shown:
            report = conduct(campaign, shown)
    except TargetError as error:
        complain(f"error: {error}")
        raise typer.Exit(1) from None
    print_report(report, Console())
    failed = _write(report, outputs)
    if report.interrupted:
        raise typer.Exit(130)
    if failed:
        raise typer.Exit(1)


def _write(report: Report, outputs: Outputs) -> bool:
    """Write what was asked for; whether an alarm was raised."""
    if outputs.json is not None:
        write_report(report, outputs.json)
    if outputs.html is not None:
        write_html(report, outputs.html)
    if outputs.junit is not None:
        write_junit(report, outputs.junit, [outputs.alarms] if outputs.alarms else ())
    failed = False
    for run in report.runs if outputs.alarms is not None else ():
        assert outputs.alarms is not None
        if outputs.alarms.fails(run):
            failed = True
            complain(
                f"failed: {run.target}, {run.load['label']}: {outputs.alarms.explain_failure(run)}"
            )
    return failed


class _Shown:
    """The watch of a campaign as lines and a bar on the standard error."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task: TaskID = self._progress.add_task("", said="", total=None)
        self._load: Load | None = None

    def __enter__(self) -> _Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def opening(self, target: str) -> None:
        """A target is being made."""
        self._show(f"{target}: opening", None, "")

    def alone(self, target: str, answered: int, clips: int) -> None:
        """So many clips were asked for alone."""
        self._show(f"{target}: alone", clips, f"{answered} of {clips} clips")
        self._progress.update(self._task, completed=answered)

    def loading(self, target: str, load: Load) -> None:
        """A load begins."""
        self._load = load
        seconds = load.kind.seconds
        if isinstance(load.kind, Closed) and load.kind.requests is not None:
            seconds = None
        self._show(f"{target}: {load.kind.label}", seconds, "")

    def progress(self, progress: Going, begin: float) -> None:
        """How it goes."""
        said = f"{progress.ended} ended, {progress.in_flight} under way"
        self._progress.update(self._task, completed=time.monotonic() - begin, said=said)

    def ended(self, run: Run) -> None:
        """A load ended: one line that stays."""
        counts = run.counts
        latency = f", p95 {run.latency.p95:.0f} ms" if run.latency.p95 is not None else ""
        self._console.print(
            f"{run.target}, {run.load['label']}: {counts.right} right, {counts.wrong} wrong, "
            f"{counts.errors} failed, {counts.refused} refused, RTFx {run.rtfx:.1f}{latency}",
            highlight=False,
            soft_wrap=True,
        )

    def _show(self, description: str, total: float | None, said: str) -> None:
        self._progress.reset(self._task, description=description, total=total, said=said)


def command_line() -> str:
    """The command as it was typed."""
    return "safeasr " + shlex.join(sys.argv[1:])
