"""The commands of ``safeasr bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from safeasr.bench.campaign import Campaign
from safeasr.bench.findings.report_file import read_report
from safeasr.bench.load.live import scripts
from safeasr.bench.load.loads import Closed, Load, Rate, Sessions
from safeasr.bench.report.compare import compare as compare_reports
from safeasr.bench.report.compare import print_comparison
from safeasr.bench.report.html import read_html
from safeasr.bench.scenarios import options_that_leak, streaming_vad
from safeasr.cli.bench import options as o
from safeasr.cli.bench.conducting import Outputs, command_line, conduct_and_show, with_options
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


def _outputs(
    json: Path | None, html: Path | None, junit: Path | None, fail_if: str | None
) -> Outputs:
    return Outputs(json, html, junit, o.goal_of(fail_if, alarms=True))


@app.command()
def transcribe(
    audio: o.Audio = None,
    target: o.Targets = None,
    model: o.Model = None,
    model_option: o.ModelOptions = None,
    option: o.CallOptions = None,
    concurrency: o.Concurrency = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Requests per second that come by chance.")
    ] = None,
    ramp: Annotated[
        str | None, typer.Option(metavar="FROM:TO", help="Requests per second that grow.")
    ] = None,
    seconds: o.Seconds = "10s",
    requests: Annotated[
        int | None, typer.Option(min=1, help="So many in all instead; only with --concurrency.")
    ] = None,
    soak: Annotated[
        str | None, typer.Option(help="One long load and the slope of memory: 2h.")
    ] = None,
    find_max: o.FindMax = None,
    most: Annotated[float, typer.Option(min=1, help="Highest level of --find-max.")] = 4096,
    references: o.References = None,
    limit: o.Limit = None,
    timeout: o.Timeout = 60.0,
    seed: o.Seed = 0,
    alone: o.Alone = True,
    processes: o.Processes = 1,
    pid: o.Pids = None,
    header: o.Headers = None,
    insecure: o.Insecure = False,
    json: o.Json = None,
    html: o.Html = None,
    junit: o.Junit = None,
    fail_if: o.FailIf = None,
) -> None:
    """Calls: from so many callers, at a rate, or as many as a goal allows."""
    clips, source = o.clips_of(audio, references, limit, "demo")
    if option:
        named = o.pairs(option, "an option")
        for clip in clips:
            clip.options.update(named)
    kinds = _call_loads(concurrency, rate, ramp, soak or seconds, requests, seed, soak is not None)
    threads = max(k.callers if isinstance(k, Closed) else 64 for k in kinds)
    if find_max is not None:
        threads = max(threads, int(min(most, 256)))
    conduct_and_show(
        Campaign(
            title="Calls",
            command=command_line(),
            targets=with_options(
                target or ["inproc:safeasr"],
                model or "demo",
                model_option or (),
                header or (),
                timeout_s=timeout,
                threads=threads,
                insecure=insecure,
            ),
            clips=clips,
            loads=[Load(kind, timeout, seed) for kind in kinds],
            goal=o.goal_of(find_max),
            most=most,
            alone=alone,
            processes=processes,
            pids=pid or (),
            source=source,
        ),
        _outputs(json, html, junit, fail_if),
    )


def _call_loads(
    concurrency: str | None,
    rate: float | None,
    ramp: str | None,
    seconds: str,
    requests: int | None,
    seed: int,
    soak: bool,
) -> list[Closed | Rate]:
    if sum(given is not None for given in (concurrency, rate, ramp)) > 1:
        raise typer.BadParameter("give one of --concurrency, --rate and --ramp")
    duration = o.duration(seconds)
    if rate is not None:
        return [Rate(rate, duration, seed=seed)]
    if ramp is not None:
        try:
            first, last = (float(part) for part in ramp.split(":"))
        except ValueError:
            first = last = 0.0
        if min(first, last) < 0 or first + last <= 0:
            raise typer.BadParameter(f"expected a ramp such as 1:50, got {ramp!r}")
        return [Rate(first, duration, up_to=last, seed=seed)]
    counts = o.levels(concurrency or ("16" if soak else "1,4,16"), "callers")
    return [Closed(n, None if requests else duration, requests) for n in counts]


@app.command()
def live(
    audio: o.Audio = None,
    target: o.Targets = None,
    model: o.Model = None,
    model_option: o.ModelOptions = None,
    option: o.CallOptions = None,
    sessions: Annotated[str, typer.Option(help="Speakers at the same time: 8,64.")] = "1,8",
    chunk_ms: Annotated[int, typer.Option(min=10, help="Audio in each message.")] = 600,
    mode: Annotated[
        str, typer.Option(help="2pass, online or offline, of FunASR's protocol.")
    ] = "2pass",
    talk: Annotated[
        str, typer.Option(help="Length of what each says at a stretch, pauses included.")
    ] = "15s",
    seconds: o.Seconds = "20s",
    soak: Annotated[
        str | None, typer.Option(help="One long load and the slope of memory: 2h.")
    ] = None,
    find_max: o.FindMax = None,
    most: Annotated[float, typer.Option(min=1, help="Highest level of --find-max.")] = 4096,
    references: o.References = None,
    limit: o.Limit = None,
    timeout: o.Timeout = 60.0,
    seed: o.Seed = 0,
    alone: o.Alone = True,
    processes: o.Processes = 1,
    pid: o.Pids = None,
    header: o.Headers = None,
    insecure: o.Insecure = False,
    json: o.Json = None,
    html: o.Html = None,
    junit: o.Junit = None,
    fail_if: o.FailIf = None,
) -> None:
    """Live sessions: everyone speaks in real time, and pauses."""
    if mode not in ("2pass", "online", "offline"):
        raise typer.BadParameter(f"expected the mode 2pass, online or offline, got {mode!r}")
    clips, source = o.clips_of(audio, references, limit, "demo")
    for clip in clips:
        clip.options.update(o.pairs(option or (), "an option"))
    counts = o.levels(sessions, "sessions")
    duration = o.duration(soak or seconds)
    spoken = scripts(clips, min(8, max(counts)), o.duration(talk), seed)
    conduct_and_show(
        Campaign(
            title="Live sessions",
            command=command_line(),
            targets=with_options(
                target or ["inproc:safeasr"],
                model or "demo-streaming",
                model_option or (),
                header or (),
                timeout_s=timeout,
                threads=max(256, *counts),
                mode=mode,
                insecure=insecure,
            ),
            clips=spoken,
            loads=[Load(Sessions(n, duration, chunk_ms), timeout, seed) for n in counts],
            goal=o.goal_of(find_max),
            most=most,
            alone=alone,
            processes=processes,
            pids=pid or (),
            source=source,
        ),
        _outputs(json, html, junit, fail_if),
    )


@app.command("streaming-vad")
def vad(
    target: o.Targets = None,
    model: Annotated[str, typer.Option(help="A voice activity detector.")] = "demo-vad",
    threads: Annotated[str, typer.Option(help="Sessions at the same time.")] = "16",
    rounds: Annotated[int, typer.Option(min=1, help="Recordings of each session.")] = 10,
    timeout: o.Timeout = 60.0,
    seed: o.Seed = 0,
    json: o.Json = None,
    html: o.Html = None,
    junit: o.Junit = None,
    fail_if: o.FailIf = None,
) -> None:
    """One detector, many streams, a cache of its own for each: who is still right?"""
    counts = o.levels(threads, "sessions")
    conduct_and_show(
        streaming_vad(
            with_options(
                target or ["inproc:funasr", "inproc:safeasr"],
                model,
                (),
                (),
                timeout_s=timeout,
                threads=max(counts),
            ),
            counts,
            rounds,
            timeout_s=timeout,
            seed=seed,
            command=command_line(),
        ),
        _outputs(json, html, junit, fail_if),
    )


@app.command("options")
def options(
    target: o.Targets = None,
    model: Annotated[str, typer.Option(help="A voice activity detector.")] = "demo-vad",
    concurrency: Annotated[str, typer.Option(help="Callers at the same time.")] = "8",
    requests: Annotated[int, typer.Option(min=1, help="Calls in all.")] = 400,
    timeout: o.Timeout = 60.0,
    seed: o.Seed = 0,
    json: o.Json = None,
    html: o.Html = None,
    junit: o.Junit = None,
    fail_if: o.FailIf = None,
) -> None:
    """Every caller has options of its own: whose are obeyed?"""
    counts = o.levels(concurrency, "callers")
    campaign = options_that_leak(
        with_options(
            target or ["inproc:funasr", "inproc:safeasr"],
            model,
            (),
            (),
            timeout_s=timeout,
            threads=max(counts),
        ),
        counts,
        requests,
        timeout_s=timeout,
        seed=seed,
        command=command_line(),
    )
    conduct_and_show(campaign, _outputs(json, html, junit, fail_if))


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A report of --json or --html.")],
    after: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Two reports: what is better, what is worse, and what is only noise."""
    try:
        reports = [(read_html if p.suffix == ".html" else read_report)(p) for p in (before, after)]
        print_comparison(compare_reports(*reports), Console())
    except ValueError as error:
        raise InputError(str(error)) from None
