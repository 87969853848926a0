"""Voice activity detection: streams from many threads, and recordings from one to four.

    python -m benchmarks.vad [--threads 12] [--passes 2] [--rounds 7] [--seconds 12] [--results DIR]

Streams: the threads stream recordings, in chunks of 60, 100, 200 or 400 ms each, through one model:
FunASR's ``AutoModel.generate(chunk, cache=...)``, safeasr's stream. What each chunk brings is
compared with what FunASR answers in a fresh model from one thread. Recordings: about 70 s in one
call, in alternating rounds. Each library has a process of its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.common.facts import RESULTS, write_result
from benchmarks.common.vad_model import vad_model
from benchmarks.vad.jobs import long_recording, streams
from benchmarks.vad.measure import measure_streams, measure_whole
from safeasr.bench.audio.clips import SAMPLE_RATE


def show(result: dict[str, Any], console: Console) -> None:
    """The result as tables."""
    table = Table(title=f"streams of {result['audio']}, {result['threads']} threads, one model")
    for name in ("library", "chunk ms", "streams", "equal", "wrong", "exceptions", "never ended"):
        table.add_column(name, justify="left" if name == "library" else "right")
    for row in result["streams"]:
        kinds = ", ".join(f"{kind} {n}" for kind, n in row["exceptions"].items())
        table.add_row(
            row["library"], str(row["chunk_ms"]), str(row["streams"]), str(row["equal"]),
            str(row["wrong"]), kinds or "0", str(row["never_ended"]),
        )  # fmt: skip
    console.print(table)
    table = Table(title=f"{result['long_s']} s in one call ({result['long']})")
    for name in ("library", "threads", "ms each", "lowest", "CPU ms", "times FunASR", "by CPU",
                 "equal"):  # fmt: skip
        table.add_column(name, justify="left" if name == "library" else "right")
    for row in result["whole"]:
        table.add_row(
            row["library"], str(row["threads"]), f"{row['ms_median']:.1f}",
            f"{row['ms_lowest']:.1f}", f"{row['cpu_ms_median']:.1f}", f"{row['times_funasr']:.1f}",
            f"{row['times_funasr_cpu']:.1f}", f"{row['equal']} of {row['calls']}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=12)
    parser.add_argument("--passes", type=int, default=2, help="times through all streams")
    parser.add_argument("--rounds", type=int, default=7, help="of the long recording")
    parser.add_argument("--count", type=int, default=12, help="recordings that are streamed")
    parser.add_argument("--seconds", type=float, default=12.0, help="their length, about")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    console = Console()

    directory = vad_model()
    kind, clips = streams(arguments.count, arguments.seconds)
    long, samples = long_recording()
    result: dict[str, Any] = {
        "model": "published" if "benchmark-models" not in directory.parts else "random weights",
        "audio": kind,
        "threads": arguments.threads,
        "streams": measure_streams(directory, clips, arguments.threads, arguments.passes, console),
        "long": long,
        "long_s": round(len(samples) / SAMPLE_RATE, 1),
        "rounds": arguments.rounds,
        "whole": measure_whole(directory, samples, arguments.rounds, console),
    }
    show(result, console)
    print(write_result(arguments.results, "vad", **result))


if __name__ == "__main__":
    main()
