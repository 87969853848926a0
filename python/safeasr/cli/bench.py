"""``safeasr bench``: how fast a model is on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from safeasr.bench.closed_loop import closed_loop, synthetic_items
from safeasr.cli.models import load_model

__all__ = ["bench"]


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise typer.BadParameter(f"expected numbers of threads such as 1,4,16, got {text!r}")
    return counts


def bench(
    model: Annotated[
        str, typer.Argument(help="demo, a model directory, a bundle or a hub name.")
    ] = "demo",
    threads: Annotated[str, typer.Option(help="Numbers of calling threads.")] = "1,4,16",
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for each of them.")] = 10.0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1; default: CUDA if there is any.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute; default: all cores.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Utterances that are computed together at most; default: 16, on CUDA 128.",
        ),
    ] = None,
) -> None:
    """Measure speed and latency with synthetic audio: utterances of 5 to 15 s."""
    from rich.console import Console
    from rich.table import Table

    counts = _counts(threads)
    items = synthetic_items(16)
    console = Console()
    table = Table(title=f"{model}: synthetic utterances of 5 to 15 s")
    for name in ("threads", "RTFx", "latency p50", "p95", "utterances", "mean batch", "CPU cores"):
        table.add_column(name, justify="right")
    with load_model(
        model, device=device, num_workers=workers, max_batch_size=batch_size
    ) as recogniser:

        def call(audio: object) -> str:
            return str(recogniser.generate(audio)[0]["text"])

        closed_loop(call, items[:4], 2, passes=1)  # first runs allocate; they are not the speed
        for count in counts:
            before = recogniser.stats()
            with console.status(f"{count} threads, {seconds:g} s"):
                result = closed_loop(call, items, count, seconds=seconds)
            after = recogniser.stats()
            batches = after["batches"] - before["batches"]
            requests = after["batched_requests"] - before["batched_requests"]
            table.add_row(
                str(count),
                f"{result.rtfx:.1f}",
                f"{result.latency_ms(50):.0f} ms",
                f"{result.latency_ms(95):.0f} ms",
                str(len(result.latencies_s)),
                f"{requests / max(1, batches):.1f}",
                f"{result.cpu_s / result.wall_s:.2f}",
            )
            for name, number in result.errors.items():
                console.print(f"{count} threads: {number} x {name}", style="red")
        stats = recogniser.stats()
    console.print(table)
    console.print(
        f"RTFx: seconds of audio recognised in a second. {stats['workers']} workers, "
        f"{os.cpu_count()} cores.",
        highlight=False,
    )
