"""What is measured: streams from many threads, and one long recording from few."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.vad.jobs import CHUNKS_MS, Samples
from benchmarks.vad.libraries import Process
from safeasr.bench.audio.clips import Clip


def measure_streams(
    directory: Path, clips: list[Clip], threads: int, passes: int, console: Console
) -> list[dict[str, Any]]:
    """Both libraries on the same streams, beside FunASR's own answers from one thread."""
    alone = Process("funasr", directory)
    expected = alone.ask("alone", clips)
    alone.close()
    console.print(f"{len(clips)} streams from one thread of FunASR: done", highlight=False)
    rows = []
    for library in ("funasr", "safeasr"):
        process = Process(library, directory)
        run = process.ask("streams", clips, expected, threads, passes)
        process.close()
        for chunk in CHUNKS_MS:
            mine = [clip for clip in clips if clip.options["chunk_ms"] == chunk]
            counts = dict(run["outcomes"][chunk])
            row: dict[str, Any] = {
                "library": library,
                "chunk_ms": chunk,
                "streams": passes * len(mine),
            }
            row["equal"] = counts.pop("equal", 0)
            row["wrong"] = counts.pop("wrong", 0)
            never_ended = counts.pop("never ended", 0)
            row["exceptions"], row["never_ended"] = counts, never_ended
            rows.append(row)
        audio = sum(clip.seconds for clip in clips) * passes
        rows[-1]["wall_s_of_all"] = round(run["wall_s"], 2)
        rows[-1]["audio_s_of_all"] = round(audio, 1)
        console.print(f"{library}, {threads} threads: done", highlight=False)
    return rows


def measure_whole(
    directory: Path, samples: Samples, rounds: int, console: Console
) -> list[dict[str, Any]]:
    """One long recording, from one, two and four threads, both libraries in turn."""
    setups = [(library, threads) for threads in (1, 2, 4) for library in ("funasr", "safeasr")]
    processes = {library: Process(library, directory) for library in ("funasr", "safeasr")}
    taken: dict[tuple[str, int], list[dict[str, Any]]] = {setup: [] for setup in setups}
    right = processes["funasr"].ask("whole", samples, 1, 1)["answers"][0]
    processes["safeasr"].ask("whole", samples, 1, 2)
    for number in range(rounds):
        for library, threads in setups:
            calls = 2 * threads
            one = processes[library].ask("whole", samples, threads, calls)
            one["equal"] = sum(answer == right for answer in one.pop("answers"))
            one["calls"] = calls
            taken[library, threads].append(one)
        console.print(f"whole recordings: round {number + 1} of {rounds}", highlight=False)
    for process in processes.values():
        process.close()
    rows = []
    for library, threads in setups:
        runs = taken[library, threads]
        walls = [run["wall_s"] / run["calls"] * 1000 for run in runs]
        rows.append(
            {
                "library": library,
                "threads": threads,
                "calls": sum(run["calls"] for run in runs),
                "equal": sum(run["equal"] for run in runs),
                # Wall and processor time for each recording, all threads together.
                "ms_median": round(statistics.median(walls), 2),
                "ms_lowest": round(min(walls), 2),
                "cpu_ms_median": round(
                    statistics.median(run["cpu_s"] / run["calls"] * 1000 for run in runs), 2
                ),
            }
        )
    for row in rows:
        theirs = next(
            r for r in rows if r["library"] == "funasr" and r["threads"] == row["threads"]
        )
        row["times_funasr"] = round(theirs["ms_median"] / row["ms_median"], 2)
        row["times_funasr_cpu"] = round(theirs["cpu_ms_median"] / row["cpu_ms_median"], 2)
    return rows
