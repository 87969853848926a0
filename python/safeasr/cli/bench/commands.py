"""The commands of ``safeasr bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from safeasr.bench.findings.report_file import read_report
from safeasr.bench.report.compare import compare as compare_reports
from safeasr.bench.report.compare import print_comparison
from safeasr.bench.report.html import read_html
from safeasr.cli.bench.calls import transcribe
from safeasr.cli.bench.live import live
from safeasr.cli.bench.scenarios import options, vad
from safeasr.errors import InputError

__all__ = ["app"]


class _WithDefault(TyperGroup):
    """`safeasr bench --target X` is `safeasr bench transcribe --target X`."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["transcribe", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_WithDefault,
    name="bench",
    help="Load-test speech recognisers: safeasr, FunASR, servers. Without a command: transcribe.",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("transcribe")(transcribe)
app.command("live")(live)
app.command("streaming-vad")(vad)
app.command("options")(options)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A report of --json or --html.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit with 1 if anything became worse.")
    ] = False,
) -> None:
    """Two reports, of runs of 20 s at least: what is better, what worse, and what only noise."""
    try:
        reports = [(read_html if p.suffix == ".html" else read_report)(p) for p in (before, after)]
    except ValueError as error:
        raise InputError(str(error)) from None
    found = compare_reports(*reports)
    print_comparison(found, Console())
    if fail_if_worse and found.worse:
        raise typer.Exit(1)
