"""The sections of docs/performance.md on live streams."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.report.tables import errors_text, table


def live_section(result: dict[str, Any], page: Path, images: Path) -> str:
    """How many live sessions are held, and the latency on the way there."""
    held = [
        (system, *(numbers[limit] for limit in sorted(numbers, key=int)))
        for system, numbers in result["held"].items()
    ]
    limits = sorted(next(iter(result["held"].values())), key=int)
    rows = [
        (
            row["system"],
            row["sessions"],
            f"{row['p50_ms']:.0f}",
            f"{row['p95_ms']:.0f}",
            f"{row['p99_ms']:.0f}",
            f"{row['cpu_cores']:.2f}",
            f"{row['mean_batch']:.1f}" if row["mean_batch"] else "",
            errors_text(row["errors"]),
            row["differing_sessions"],
        )
        for row in sorted(result["rows"], key=lambda r: list(result["held"]).index(r["system"]))
    ]
    header = (
        "",
        "sessions",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU",
        "chunks in a batch",
        "errors",
        "sessions that said something else than alone",
    )
    image = os.path.relpath(images / "live.png", page.parent)
    return (
        f"{result['model']}; sessions of {result['seconds']:.0f} s, paced on an absolute schedule, "
        "starts staggered over a chunk. Latency: from the moment when a chunk's last sample would "
        "have been spoken to its text.\n\n"
        f"{table(('live sessions with p95 under', *(f'{ms} ms' for ms in limits)), held)}\n\n"
        f"![p95 over the number of live sessions]({image})\n\n{table(header, rows)}\n"
    )


def vad_section(result: dict[str, Any]) -> str:
    """Voice activity detection: streams from many threads, and a recording."""
    names = {"funasr": "FunASR", "safeasr": "safeasr"}
    streams = [
        (
            f"{names[row['library']]}, {row['chunk_ms']} ms chunks",
            f"{row['equal']} of {row['streams']}",
            row["wrong"],
            errors_text(row["exceptions"]),
        )
        for row in result["streams"]
    ]
    walls = {r["library"]: r["wall_s_of_all"] for r in result["streams"] if "wall_s_of_all" in r}
    whole = [
        (
            f"{names[row['library']]}, {row['threads']} threads",
            f"{row['ms_median']:.0f}",
            f"{row['cpu_ms_median']:.0f}",
            f"{row['times_funasr']:.1f}",
            f"{row['times_funasr_cpu']:.1f}",
        )
        for row in result["whole"]
    ]
    header = ("", "ms a recording", "CPU ms", "times FunASR", "times FunASR, CPU")
    return (
        f"Streams from {result['threads']} threads on one model, each compared with what FunASR's "
        "one thread says alone:\n\n"
        f"{table(('', 'equal', 'wrong', 'exceptions'), streams)}\n\n"
        f"All of them together took FunASR {walls.get('funasr', float('nan')):.1f} s and safeasr "
        f"{walls.get('safeasr', float('nan')):.1f} s.\n\n"
        f"A recording of {result['long_s']} s at once:\n\n{table(header, whole)}\n"
    )
