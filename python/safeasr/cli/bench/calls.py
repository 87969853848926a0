"""``safeasr bench transcribe``: calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from safeasr.bench.campaign import Campaign
from safeasr.bench.load.loads import Closed, Load, Rate
from safeasr.cli.bench import options as o
from safeasr.cli.bench.conducting import command_line, conduct_and_show, outputs_of, with_options

__all__ = ["transcribe"]


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
    seconds: o.Seconds = None,
    requests: Annotated[
        int | None, typer.Option(min=1, help="So many in all instead; only with --concurrency.")
    ] = None,
    soak: o.Soak = None,
    find_max: o.FindMax = None,
    most: o.Most = 4096,
    references: o.References = None,
    limit: o.Limit = None,
    wav: Annotated[
        bool, typer.Option("--wav", help="Send WAV to servers, not the files as they are.")
    ] = False,
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
    if wav:
        clips = [
            replace(one, encoded=None, filename=f"{Path(one.filename).stem}.wav") for one in clips
        ]
    targets = target or ["inproc:safeasr"]
    o.processes_of(processes, pid, targets)
    kinds = _call_loads(concurrency, rate, ramp, seconds, soak, requests, seed, find_max)
    conduct_and_show(
        Campaign(
            title="Calls",
            command=command_line(),
            targets=with_options(
                targets,
                model,
                model_option or (),
                header or (),
                usual="demo",
                timeout_s=timeout,
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
        outputs_of(json, html, junit, fail_if),
    )


def _call_loads(
    concurrency: str | None,
    rate: float | None,
    ramp: str | None,
    seconds: str | None,
    soak: str | None,
    requests: int | None,
    seed: int,
    find_max: str | None,
) -> list[Closed | Rate]:
    if sum(given is not None for given in (concurrency, rate, ramp)) > 1:
        raise typer.BadParameter("give one of --concurrency, --rate and --ramp")
    if requests is not None and (rate is not None or ramp is not None):
        raise typer.BadParameter("--requests goes with --concurrency: rates end by --seconds")
    if requests is not None and (seconds is not None or soak is not None):
        raise typer.BadParameter(
            "give one of --requests and --seconds (or --soak): each says when a load ends"
        )
    if ramp is not None and find_max is not None:
        raise typer.BadParameter("--ramp has no level that --find-max could vary: give --rate")
    duration = o.duration_of(seconds, soak)
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
    counts = o.start_levels(concurrency, "16" if soak else "1,4,16", "callers", find_max)
    return [Closed(n, None if requests else duration, requests) for n in counts]
