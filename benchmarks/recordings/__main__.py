"""Long recordings through a whole pipeline: text, marks, speakers, of FunASR and of safeasr.

    python -m benchmarks.recordings [--seconds 300] [--rounds 3] [--long 36000] [--at-once 4]

SeacoParaformer-large, FSMN-VAD, CT-Transformer and CAM++ at their published sizes. FunASR, safeasr
in float32 and in int8 take the same recording in turn, each in a process of its own.
Then one of ``--long`` seconds: how soon its first sentence is there; and ``--at-once`` recordings
of an hour at a time. The audio are cuts of real recordings, if there are any at hand.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.common.facts import RESULTS, write_result
from benchmarks.recordings.audio import write_recording
from benchmarks.recordings.models import pipeline_models
from benchmarks.recordings.worker import Process

FUNASR = "FunASR, ncpu=1"
SETUPS: dict[str, tuple[str, dict[str, Any]]] = {
    # Its best on two cores: with two or four threads in an operator it is a third slower.
    FUNASR: ("funasr", {"ncpu": 1}),
    "safeasr": ("safeasr", {}),
    "safeasr, int8": ("safeasr", {"quantize": True}),
}


def measure(
    models: dict[str, str], path: Path, seconds: float, rounds: int, console: Console
) -> list[dict[str, Any]]:
    """All set-ups in turn; a row for each."""
    processes = {
        name: Process(library, models, options) for name, (library, options) in SETUPS.items()
    }
    warm = path.with_name("warm.wav")
    write_recording(warm, 30)
    for process in processes.values():
        process.ask(warm)
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in SETUPS}
    for number in range(rounds):
        for name, process in processes.items():
            taken[name].append(process.ask(path))
        console.print(f"round {number + 1} of {rounds}", highlight=False)
    for process in processes.values():
        process.close()
    theirs = statistics.median(run["wall_s"] for run in taken[FUNASR])
    rows = []
    for name, runs in taken.items():
        wall = statistics.median(run["wall_s"] for run in runs)
        same = [run["results"] == taken[FUNASR][0]["results"] for run in runs]
        rows.append(
            {
                "setup": name,
                "rtfx": round(seconds / wall, 1),
                "times_funasr": round(theirs / wall, 2),
                "cpu_s_per_hour": round(
                    3600 / seconds * statistics.median(run["cpu_s"] for run in runs), 1
                ),
                "over_mb": round(max(run["over_mb"] for run in runs)),
                "equal": sum(same),
                "runs": len(runs),
            }
        )
    return rows


def long_ones(
    models: dict[str, str], folder: Path, seconds: float, at_once: int, console: Console
) -> dict[str, Any]:
    """The first sentence of a very long recording, and several hours at a time, in int8."""
    process = Process("safeasr", models, {"quantize": True})
    found: dict[str, Any] = {}
    write_recording(folder / "warm.wav", 30)
    process.ask(folder / "warm.wav")
    if seconds:
        write_recording(folder / "long.wav", seconds)
        first = process.ask(folder / "long.wav", {"return_spk_res": False}, first_only=True)
        found |= {"long_s": seconds, "first_sentence_s": round(first["results"][0]["first_s"], 2)}
        console.print(found, highlight=False)
    if at_once:
        write_recording(folder / "hour.wav", 3600)
        run = process.ask(folder / "hour.wav", times=at_once)
        found |= {
            "hours_at_once": at_once,
            "hours_rtfx": round(at_once * 3600 / run["wall_s"], 1),
            "hours_over_mb": round(run["over_mb"]),
            "hours_equal": all(one == run["results"][0] for one in run["results"]),
            "hours_sentences": run["results"][0]["sentences"],
        }
    process.close()
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="of what all take in turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=float, default=36000.0, help="0: none")
    parser.add_argument("--at-once", type=int, default=4, help="hours at a time; 0: none")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    console = Console()
    models = pipeline_models()
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, "recording.wav")
        kind = write_recording(path, arguments.seconds)
        result: dict[str, Any] = {
            "audio": kind,
            "seconds": arguments.seconds,
            "rounds": arguments.rounds,
            "rows": measure(models, path, arguments.seconds, arguments.rounds, console),
            **long_ones(models, Path(root), arguments.long, arguments.at_once, console),
        }
    table = Table(title=f"{arguments.seconds:.0f} s of {kind}: text, marks, speakers")
    for name in result["rows"][0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "setup" else "right")
    for row in result["rows"]:
        table.add_row(*map(str, row.values()))
    console.print(table)
    console.print({name: result[name] for name in result if "hours" in name or "first" in name})
    print(write_result(arguments.results, "recordings", **result))


if __name__ == "__main__":
    main()
