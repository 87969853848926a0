"""Conducts a campaign for a command: shows how it goes, writes the reports, says how it ended."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import typer
from rich.console import Console

from safeasr.bench.campaign import Campaign, conduct
from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.report_file import write_report
from safeasr.bench.findings.results import Report
from safeasr.bench.interrupts import Interrupts
from safeasr.bench.report.html import write_html
from safeasr.bench.report.junit import write_junit
from safeasr.bench.report.terminal import print_report
from safeasr.bench.targets.base import Options, TargetError
from safeasr.cli.bench.options import goal_of, pairs
from safeasr.cli.bench.showing import Shown
from safeasr.cli.say import complain, put_line
from safeasr.printable import printable

__all__ = ["Outputs", "command_line", "conduct_and_show", "outputs_of", "with_options"]


@dataclass(frozen=True)
class Outputs:
    """Where the report goes, besides the terminal."""

    json: Path | None = None
    html: Path | None = None
    junit: Path | None = None
    alarms: Goal | None = None

    def check(self) -> None:
        """Refuse what cannot be written: one wants to know before an hour of load, not after."""
        for path in filter(None, (self.json, self.html, self.junit)):
            if path.is_dir():
                raise typer.BadParameter(f"{str(path)!r} is a folder: name a file")
            if not path.parent.is_dir():
                raise typer.BadParameter(f"there is no folder {str(path.parent)!r}")


def outputs_of(
    json: Path | None, html: Path | None, junit: Path | None, fail_if: str | None
) -> Outputs:
    """What the options of all commands that measure mean."""
    return Outputs(json, html, junit, goal_of(fail_if, alarms=True))


def with_options(
    targets: Sequence[str],
    model: str | None,
    model_options: Sequence[str] = (),
    headers: Sequence[str] = (),
    usual: str | None = None,
    **others: object,
) -> list[tuple[str, Options]]:
    """Each target with its options.

    Args:
        targets: as the user writes them.
        model: that the user named.
        model_options: ``name=value``, of its constructor.
        headers: ``name:value``, for servers.
        usual: model of targets in process, if the user named none; servers know their own.
        others: further fields of :class:`Options`.
    """
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
    here = replace(options, model=model or usual)
    return [(spec, options if "://" in spec else here) for spec in targets]


def conduct_and_show(campaign: Campaign, outputs: Outputs) -> None:
    """Do it all.

    Raises:
        typer.Exit: with 1 if a target cannot be used, an alarm was raised or a report could not be
            written, with 130 after Ctrl-C.
    """
    console = Console(stderr=True)
    outputs.check()
    if any(clip.reference for clip in campaign.clips) and find_spec("jiwer") is None:
        complain(
            "warning: there are references, but no error rates without the package jiwer: "
            "pip install 'safeasr[bench]'"
        )
    with Interrupts() as interrupts:
        try:
            with Shown(console) as shown:
                report = conduct(campaign, shown, interrupts)
        except TargetError as error:
            _complain_at_length(f"error: {error}")
            raise typer.Exit(1) from None
        # Before anything is printed: who reads the terminal's report may have left (`| head`).
        written = _write(report, outputs)
        print_report(report, Console())
    for one in report.failed:
        _complain_at_length(f"error: {one['message']}")
    failed = _raised(report, outputs.alarms) or not written or bool(report.failed)
    if interrupts.came:
        raise typer.Exit(130)
    if failed:
        raise typer.Exit(1)


def _write(report: Report, outputs: Outputs) -> bool:
    """Write what was asked for, each by itself; whether all of it could be written."""
    alarms = [outputs.alarms] if outputs.alarms else ()
    ways: list[tuple[Path | None, Callable[[Path], None]]] = [
        (outputs.json, lambda path: write_report(report, path)),
        (outputs.html, lambda path: write_html(report, path)),
        (outputs.junit, lambda path: write_junit(report, path, alarms)),
    ]
    fine = True
    for path, write in ways:
        try:
            if path is not None:
                write(path)
        except Exception as error:  # whatever it is: an hour of load is in the others
            fine = False
            complain(f"error: cannot write {path}: {type(error).__name__}: {error}")
    return fine


def _raised(report: Report, alarms: Goal | None) -> bool:
    """Whether an alarm was raised; says which."""
    failed = [run for run in report.runs if alarms is not None and alarms.fails(run)]
    for run in failed:
        assert alarms is not None
        complain(f"failed: {run.target}, {run.load['label']}: {alarms.explain_failure(run)}")
    return bool(failed)


def _complain_at_length(message: str) -> None:
    """A message of several lines as such: a list of targets, the last words of a process."""
    first, *others = message.splitlines() or [""]
    complain(first)
    for line in others:
        if sys.stderr is not None:
            with contextlib.suppress(Exception):
                put_line(printable(line.expandtabs().rstrip(), 1000), sys.stderr)


def command_line() -> str:
    """The command as it was typed."""
    return "safeasr " + shlex.join(sys.argv[1:])
