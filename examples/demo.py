"""The demo: many threads on one model, next to FunASR.

    make demo        or        python examples/demo.py [--seconds 4] [--threads 16]

Recognises the recordings that come with the package from 16 threads at once, then runs the same
load on FunASR and compares texts and speed. Without FunASR it shows safeasr alone. The exit code is
1 if a text differs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import safeasr
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.local import Measured, measure_calls

FUNASR_CORES = 2  # ncpu of the comparison: two operators' threads is where FunASR does well


def show_texts(
    console: Console, clips: list[Clip], load: Measured, latencies_ms: dict[str, float]
) -> None:
    """One row a recording: what was said and what was understood."""
    table = Table(title="What safeasr understood")
    for column in ("file", "text", "spoken", "right?"):
        table.add_column(column)
    table.add_column("alone in", justify="right")
    right = 0
    for clip in clips:
        text = " | ".join(sorted(load.texts.get(clip.name, set())))
        right += text == clip.reference
        mark = "[green]yes" if text == clip.reference else "[yellow]no"
        alone = f"{latencies_ms[clip.name]:.0f} ms"
        table.add_row(clip.name, text, clip.reference, mark, alone)
    console.print(table)
    console.print(
        f"{right} of {len(clips)} recordings without a wrong word "
        "(a small model, trained for this demonstration).\n"
    )


def measure_safeasr(console: Console, clips: list[Clip], threads: int, seconds: float) -> Measured:
    """Load, run, show, close."""
    began = time.perf_counter()
    with safeasr.AutoModel(model="demo", disable_pbar=True) as model:
        console.print(
            f"safeasr {safeasr.__version__}: model loaded in {time.perf_counter() - began:.1f} s"
        )

        def call(audio: Any) -> str:
            return str(model.generate(audio)[0]["text"])

        latencies: dict[str, float] = {}
        for clip in clips:  # alone, one after the other: the latency of an idle machine
            call(clip.samples)
            began = time.perf_counter()
            call(clip.samples)
            latencies[clip.name] = (time.perf_counter() - began) * 1000
        before = model.stats()
        load = measure_calls(call, clips, threads, seconds=seconds)
        after = model.stats()
    batches = after["batches"] - before["batches"]
    batch_size = (after["batched_requests"] - before["batched_requests"]) / max(1, batches)
    show_texts(console, clips, load, latencies)
    console.print(
        f"{threads} threads on one model, {load.run.duration_s:.1f} s: {load.run.counts.right} "
        f"utterances, {load.run.audio_s:.0f} s of audio, {load.run.rtfx:.0f} times real time, "
        "latency p50 "
        f"{load.latency_ms(50):.0f} ms, p95 {load.latency_ms(95):.0f} ms, {batches} batches of "
        f"{batch_size:.1f} on average, {sum(load.errors.values())} errors.\n",
        highlight=False,
    )
    return load


def load_funasr(directory: Path) -> Callable[[Any], str] | None:
    """FunASR's AutoModel on the same directory; None if it is not installed."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from funasr import AutoModel

            model = AutoModel(
                model=str(directory),
                device="cpu",
                ncpu=FUNASR_CORES,
                disable_update=True,
                disable_pbar=True,
                log_level="ERROR",
            )
    except ImportError:
        return None
    return lambda audio: str(model.generate(audio, disable_pbar=True)[0]["text"])


def behind_a_lock(call: Callable[[Any], str]) -> Callable[[Any], str]:
    """What one does to a library that is not safe: one caller at a time."""
    lock = threading.Lock()

    def locked(audio: Any) -> str:
        with lock:
            return call(audio)

    return locked


def show_comparison(console: Console, runs: dict[str, Measured]) -> None:
    """All systems in one table; ratios are to safeasr's."""
    table = Table(title="The same load on both")
    table.add_column("system")
    for column in ("threads", "RTFx", "p50", "p95", "errors", "safeasr is"):
        table.add_column(column, justify="right")
    first = next(iter(runs.values()))
    for name, load in runs.items():
        rtfx = load.run.rtfx
        ratio = "" if load is first or not rtfx else f"{first.run.rtfx / rtfx:.1f} x faster"
        table.add_row(
            name,
            str(load.run.load["callers"]),
            f"{rtfx:.0f}",
            f"{load.latency_ms(50):.0f} ms",
            f"{load.latency_ms(95):.0f} ms",
            ", ".join(f"{n} {kind}" for kind, n in load.errors.items()) or "0",
            ratio,
        )
    console.print(table)
    console.print(
        "RTFx: seconds of audio recognised in a second. A small model and a short run: "
        "benchmarks/ measures with care.",
        highlight=False,
    )


def differing(reference: dict[str, str], runs: dict[str, Measured]) -> list[str]:
    """Where a run gave another text than FunASR alone gives."""
    return [
        f"{system}, {name}: {text!r}, but FunASR alone gives {reference[name]!r}"
        for system, run in runs.items()
        for name, texts in sorted(run.texts.items())
        for text in sorted(texts)
        if text != reference[name]
    ]


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="length of safeasr's load")
    parser.add_argument("--threads", type=int, default=16, help="threads that call safeasr")
    arguments = parser.parse_args()

    console = Console(width=None if sys.stdout.isatty() else 110)
    directory = Path(safeasr.__file__).parent / "models" / "demo"
    clips = [replace(clip, name=clip.filename) for clip in embedded_clips("demo")]
    runs = {"safeasr": measure_safeasr(console, clips, arguments.threads, arguments.seconds)}
    changing = [name for name, texts in runs["safeasr"].texts.items() if len(texts) > 1]
    for name in changing:
        console.print(f"[red]{name} gave different texts in one run")
    failed = bool(changing or runs["safeasr"].errors)

    console.print("Loading FunASR ...")
    call = load_funasr(directory)
    if call is None:
        console.print(
            "FunASR is not installed, so there is no comparison (pip install 'safeasr[funasr]')."
        )
        return int(failed)
    reference = {clip.name: call(clip.samples) for clip in clips}  # one thread: also the warm-up
    for name, threads, function in (
        ("FunASR, one model as it is", 4, call),
        ("FunASR behind a lock", arguments.threads, behind_a_lock(call)),
    ):
        runs[name] = measure_calls(function, clips, threads, seconds=2 * arguments.seconds)
    show_comparison(console, runs)

    for line in differing(reference, {k: v for k, v in runs.items() if k != "safeasr"}):
        console.print(line, style="yellow", markup=False)
    differences = differing(reference, {"safeasr": runs["safeasr"]})
    for line in differences:
        console.print(line, style="red", markup=False)
    if not differences:
        console.print(f"Texts: equal to FunASR's for all {len(reference)} recordings.")
    return int(failed or bool(differences))


if __name__ == "__main__":
    raise SystemExit(main())
