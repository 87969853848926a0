"""``safeasr bench live``: sessions."""

from __future__ import annotations

from typing import Annotated

import typer

from safeasr.bench.audio.scripts import scripts
from safeasr.bench.campaign import Campaign
from safeasr.bench.load.loads import Load, Sessions
from safeasr.cli.bench import options as o
from safeasr.cli.bench.conducting import command_line, conduct_and_show, outputs_of, with_options

__all__ = ["live"]


def live(
    audio: o.Audio = None,
    target: o.Targets = None,
    model: o.Model = None,
    model_option: o.ModelOptions = None,
    option: o.CallOptions = None,
    sessions: Annotated[
        str | None, typer.Option(help="Speakers at the same time: 8,64.", show_default="1,8")
    ] = None,
    chunk_ms: Annotated[int, typer.Option(min=10, help="Audio in each message.")] = 600,
    mode: Annotated[
        str, typer.Option(help="2pass, online or offline, of FunASR's protocol.")
    ] = "2pass",
    talk: Annotated[
        str, typer.Option(help="Length of what each says at a stretch, pauses included.")
    ] = "15s",
    seconds: o.Seconds = None,
    soak: o.Soak = None,
    find_max: o.FindMax = None,
    most: o.Most = 4096,
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
    targets = target or ["inproc:safeasr"]
    o.processes_of(processes, pid, targets)
    counts = o.start_levels(sessions, "1,8", "sessions", find_max)
    duration = o.duration_of(seconds, soak)
    spoken = scripts(clips, min(8, max(counts)), o.duration(talk), seed)
    conduct_and_show(
        Campaign(
            title="Live sessions",
            command=command_line(),
            targets=with_options(
                targets,
                model,
                model_option or (),
                header or (),
                usual="demo-streaming",
                timeout_s=timeout,
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
        outputs_of(json, html, junit, fail_if),
    )
