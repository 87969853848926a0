"""``safeasr bench streaming-vad`` and ``options``: the founding cases."""

from __future__ import annotations

from typing import Annotated

import typer

from safeasr.bench.scenarios import options_that_leak, streaming_vad
from safeasr.cli.bench import options as o
from safeasr.cli.bench.conducting import command_line, conduct_and_show, outputs_of, with_options

__all__ = ["options", "vad"]

BOTH = ("inproc:funasr", "inproc:safeasr")


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
            with_options(target or BOTH, model, timeout_s=timeout),
            counts,
            rounds,
            timeout_s=timeout,
            seed=seed,
            command=command_line(),
        ),
        outputs_of(json, html, junit, fail_if),
    )


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
        with_options(target or BOTH, model, timeout_s=timeout),
        counts,
        requests,
        timeout_s=timeout,
        seed=seed,
        command=command_line(),
    )
    conduct_and_show(campaign, outputs_of(json, html, junit, fail_if))
