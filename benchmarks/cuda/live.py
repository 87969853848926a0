"""Live sessions in chunks of 600 ms: how many there may be before chunks come late."""

from __future__ import annotations

from typing import Any

from benchmarks.cuda.context import Context
from benchmarks.cuda.equality import STREAM
from benchmarks.cuda.seeded import model_dir
from benchmarks.cuda.throughput import delta
from benchmarks.cuda.usage import Usage
from benchmarks.live.__main__ import clips_of, warm_chunks
from safeasr import AutoModel
from safeasr.bench.local import Feed, measure_sessions

LIMIT_MS = 600.0
COUNTS = (64, 128, 256, 512, 1024, 2048)


def measure(context: Context, model: AutoModel, count: int, seconds: float) -> dict[str, Any]:
    """So many sessions at a time, each of so many seconds."""

    def open_session() -> Feed:
        stream = model.stream(**STREAM)
        return lambda samples, last: str(stream.feed(samples, last)["text"])

    before, clips = model.stats(), clips_of(count, seconds)
    with Usage(context.index) as usage:
        load = measure_sessions(open_session, clips)
    after = model.stats()
    warm = warm_chunks(clips)
    batches = delta(after, before, "batches")
    return {
        "sessions": count,
        "p50_ms": round(load.latency_ms(50, warm), 1),
        "p95_ms": round(load.latency_ms(95, warm), 1),
        "p99_ms": round(load.latency_ms(99, warm), 1),
        "errors": load.errors,
        "mean_batch": round(delta(after, before, "batched_requests") / max(batches, 1), 1),
        "batch_ms": round(delta(after, before, "run_seconds") / max(batches, 1) * 1e3, 2),
        "host_cores": round(load.cpu_s / load.run.duration_s, 2),
        "gpu": usage.mean,
    }


def generator_alone(count: int, seconds: float) -> float:
    """99th percentile in ms of sessions that nobody serves: what the load itself is late by."""
    clips = clips_of(count, seconds)
    return measure_sessions(lambda: lambda _samples, _last: "", clips).latency_ms(99)


def run(context: Context) -> None:
    """Twice as many sessions each time, until the 99th percentile passes the limit."""
    counts, seconds = ((2, 4), 3.0) if context.quick else (COUNTS, 7.2)
    precision, held, found = context.fastest(), 0, []
    directory = model_dir("paraformer-streaming", context.quick)
    with context.load(directory, precision) as model:
        measure(context, model, counts[0], 3.0)  # kernels, allocators, caches
        for count in counts:
            if context.left() < seconds + 5:
                context.row(f"{count} sessions", "not run", "no time was left")
                break
            row = measure(context, model, count, seconds)
            found.append(row)
            context.put("sessions", found)
            gpu = f", GPU busy {row['gpu']['busy_percent']:.0f} %" if row["gpu"] else ""
            errors = f", errors {row['errors']}" if row["errors"] else ""
            context.row(
                f"{count} sessions, {model.precision}",
                f"p50 {row['p50_ms']:.0f}, p95 {row['p95_ms']:.0f}, p99 {row['p99_ms']:.0f} ms",
                f"batches of {row['mean_batch']} in {row['batch_ms']} ms, host "
                f"{row['host_cores']} cores{gpu}{errors}",
            )
            if row["p99_ms"] > LIMIT_MS or row["errors"]:
                break
            held = count
    last = found[-1]["sessions"] if found else 0
    late = generator_alone(last, 2.4) if last and context.left() > 3 else None
    context.put("held", held)
    context.row(
        "sessions held",
        held,
        f"p99 at most {LIMIT_MS:.0f} ms, no errors"
        + ("" if late is None else f"; the load alone is late by {late:.0f} ms at {last}"),
    )
