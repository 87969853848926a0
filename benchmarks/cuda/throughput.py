"""Utterances of 5 to 15 s from 64 threads: how much audio a second, and how busy everything is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cuda.context import Context
from benchmarks.cuda.seeded import model_dir
from benchmarks.cuda.usage import Usage
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.noise import noise_clips
from safeasr.bench.local import measure_calls

THREADS = 64
MODELS = {"Paraformer-large": "paraformer", "SenseVoiceSmall": "sense-voice"}
#: Settings beside the defaults that are tried with the first model, while there is time.
SWEEP: tuple[dict[str, Any], ...] = (
    {"num_workers": 1},
    {"num_workers": 2},
    {"num_workers": 8},
    {"max_batch_size": 16},
    {"max_batch_size": 32},
    {"max_batch_size": 256},
    {"max_wait_ms": 5.0},
)


@dataclass(frozen=True)
class Setup:
    """One measurement.

    Attributes:
        name: in the table.
        model: directory.
        precision: of linear layers.
        options: of AutoModel.
        threads: callers.
    """

    name: str
    model: Path
    precision: str
    options: dict[str, Any]
    threads: int = THREADS


def load_items(context: Context) -> list[Clip]:
    """The utterances of every load here: four for each of 64 callers."""
    if context.quick:
        return noise_clips(8, 2.0, 4.0)
    return noise_clips(256)


def delta(after: dict[str, Any], before: dict[str, Any], name: str) -> float:
    """How much a counter of ``stats()`` grew."""
    return float(after.get(name, 0)) - float(before.get(name, 0))


def measure(
    context: Context, setup: Setup, items: Sequence[Clip], seconds: float
) -> dict[str, Any]:
    """Load the model, warm it up, and call it from all threads for so many seconds."""
    with context.load(setup.model, setup.precision, **setup.options) as model:

        def call(audio: Any) -> str:
            return str(model.generate(audio)[0]["text"])

        measure_calls(call, items, setup.threads, passes=1)  # kernels, allocators, caches
        before = model.stats()
        with Usage(context.index) as usage:
            load = measure_calls(call, items, setup.threads, seconds=seconds)
        after = model.stats()
        precision = model.precision
    batches = delta(after, before, "batches")
    requests = delta(after, before, "batched_requests")
    busy = delta(after, before, "run_seconds") / load.run.duration_s / max(1, after["workers"])
    return {
        "name": setup.name,
        "precision": precision,
        "options": setup.options,
        "threads": setup.threads,
        "rtfx": round(load.run.rtfx, 1),
        "wall_s": round(load.run.duration_s, 3),
        "utterances": load.run.counts.right,
        "p50_ms": round(load.latency_ms(50), 1),
        "p95_ms": round(load.latency_ms(95), 1),
        "p99_ms": round(load.latency_ms(99), 1),
        "errors": load.errors,
        "differing": sum(len(texts) > 1 for texts in load.texts.values()),
        "mean_batch": round(requests / batches, 1) if batches else None,
        "batch_ms": round(delta(after, before, "run_seconds") / batches * 1e3, 2)
        if batches
        else None,
        "rows_a_batch": round(delta(after, before, "batch_length") / batches, 1)
        if batches
        else None,
        "workers_busy": round(busy, 3),
        "host_cores": round(load.cpu_s / load.run.duration_s, 2),
        "host_cores_there": len(os.sched_getaffinity(0)),
        "gpu": usage.mean,
    }


def describe(row: dict[str, Any]) -> str:
    """The remark of a measurement in the table."""
    gpu = row["gpu"]
    driver = (
        f", GPU busy {gpu['busy_percent']:.0f} %, {gpu['sm_mhz']:.0f} MHz, {gpu['watts']:.0f} W"
        if gpu
        else ""
    )
    errors = f", errors {row['errors']}" if row["errors"] else ""
    return (
        f"{row['precision']}, {row['threads']} threads: p50 {row['p50_ms']:.0f}, p95 "
        f"{row['p95_ms']:.0f} ms, batches of {row['mean_batch']} in {row['batch_ms']} ms, workers "
        f"busy {row['workers_busy']:.0%}, host {row['host_cores']} of {row['host_cores_there']} "
        f"cores{driver}{errors}"
    )


def setups(context: Context) -> list[Setup]:
    """What is measured, the most important first."""
    fast = context.fastest()
    named = {f"small {kind}": kind for kind in MODELS.values()} if context.quick else MODELS
    paths = {name: model_dir(kind, context.quick) for name, kind in named.items()}
    first, path = next(iter(paths.items()))
    chosen = [Setup(name, place, fast, {}) for name, place in paths.items()]
    chosen += [Setup(first, path, p, {}) for p in context.precisions() if p != fast]
    if context.quick:
        return [Setup(s.name, s.model, s.precision, {"num_workers": 1}, 4) for s in chosen[:2]]
    chosen += [
        Setup(f"{first}, {', '.join(f'{k}={v}' for k, v in options.items())}", path, fast, options)
        for options in SWEEP
    ]
    chosen.append(Setup(f"{first}, 1 caller", path, fast, {}, 1))
    chosen.append(Setup(f"{first}, 256 callers", path, fast, {}, 256))
    return chosen


def run(context: Context) -> None:
    """Measure one set-up after the other while there is time."""
    items = load_items(context)
    chosen = setups(context)
    seconds = 0.3 if context.quick else min(10.0, max(3.0, context.seconds / 25))
    found = []
    for place, setup in enumerate(chosen):
        if place > 1 and context.left() < 3 * seconds + 5:
            context.row(f"{len(chosen) - place} more set-ups", "not run", "no time was left")
            break
        row = measure(context, setup, items, seconds)
        found.append(row)
        context.put("loads", found)
        context.row(setup.name, f"{row['rtfx']:.0f} s of audio a second", describe(row))
        if setup.threads > 1:
            context.check(f"{setup.name}, {setup.precision}: no call failed", not row["errors"], "")
