"""emotion2vec: safeasr beside FunASR in the set-ups that serve it best, in alternating rounds.

    python -m benchmarks.emotion [--rounds 5] [--utterances 12] [--threads 16] [--results DIR]

All of them live in one process and take the same utterances in turn; a round of each, then the next
round of each. What counts is the time of the processor, which others on the machine hardly change;
the roof is what a core multiplies in such a second, of as many rows as the batches have.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.common.audio import long_clips
from benchmarks.common.facts import RESULTS, write_result
from benchmarks.emotion.model import emotion_model
from benchmarks.peers.roof import INNER, OUTER, kernel
from safeasr import AutoModel
from safeasr.bench.audio.clips import Clip
from safeasr.bench.local import measure_calls

Call = Callable[[Any], str]
ROWS = 320  # of a batch
WINDOWS, WINDOW_S = 8, 0.2


def funasr_model(directory: Path) -> Any:
    """FunASR's model."""
    from funasr import AutoModel as FunASR

    with contextlib.redirect_stdout(io.StringIO()):
        return FunASR(
            model=str(directory), device="cpu", disable_update=True, disable_pbar=True,
            log_level="ERROR",
        )  # fmt: skip


def label_of(results: list[dict[str, Any]]) -> str:
    """The likeliest label."""
    scores = results[0]["scores"]
    return str(results[0]["labels"][int(np.argmax(scores))])


def labelled(model: AutoModel, audio: Any) -> str:
    """safeasr's call."""
    return label_of(model.generate(audio))


def with_threads(model: Any, threads: int) -> Call:
    """FunASR's call, with so many threads within an operator for each caller."""
    of_caller = threading.local()

    def call(audio: Any) -> str:
        if not hasattr(of_caller, "ready"):
            torch.set_num_threads(threads)
            of_caller.ready = True
        return label_of(model.generate(audio))

    return call


def work_of(model: Any, items: list[Clip]) -> float:
    """Operations (in 10^9) of FunASR's matrix products and convolutions for all utterances."""
    counter = FlopCounterMode(display=False)
    with counter:
        for item in items:
            model.generate(item.samples)
    return float(sum(counter.get_flop_counts()["Global"].values()) / 1e9)


def roof(precision: str) -> float:
    """Operations (in 10^9) of matrix products in a second of one core's time, at best."""
    found: list[float] = []

    def work() -> None:  # in a thread of its own, whose number of threads is its own
        torch.set_num_threads(1)
        multiply = kernel(precision, ROWS)
        multiply()
        for _ in range(WINDOWS):
            done, began = 0, time.thread_time()
            while time.thread_time() - began < WINDOW_S:
                multiply()
                done += 1
            found.append(done * 2 * ROWS * INNER * OUTER / (time.thread_time() - began) / 1e9)

    with torch.inference_mode():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    return max(found)


def measure(
    directory: Path, items: list[Clip], threads: int, rounds: int, console: Console
) -> dict[str, Any]:
    """The set-ups in turn; a row for each."""
    theirs = funasr_model(directory)
    work, cores = work_of(theirs, items), len(os.sched_getaffinity(0))
    setups: dict[str, tuple[Call, int, str]] = {
        f"FunASR, 1 thread, ncpu={cores}": (with_threads(theirs, cores), 1, "float32"),
        f"FunASR, {cores} threads, ncpu=1": (with_threads(theirs, 1), cores, "float32"),
    }
    own = {
        precision: AutoModel(str(directory), disable_pbar=True, **options)
        for precision, options in (
            ("float32", {}), ("bf16", {"bf16": True}), ("int8", {"quantize": True})
        )
    }  # fmt: skip
    for precision, model in own.items():
        name = f"safeasr, {threads} threads, {precision}"
        setups[name] = (partial(labelled, model), threads, precision)
    roofs = {precision: roof(precision) for precision in own}
    seconds = sum(item.seconds for item in items)
    speeds: dict[str, list[float]] = {name: [] for name in setups}
    busy: dict[str, list[float]] = {name: [] for name in setups}
    for number in range(rounds + 1):  # the first warms up
        for name, (call, callers, _) in setups.items():
            load = measure_calls(call, items, callers, passes=1)
            if load.errors:
                raise SystemExit(f"errors: {load.errors}")
            if number:
                speeds[name].append(load.run.rtfx)
                busy[name].append(load.cpu_s / seconds)
                console.print(
                    f"round {number}: {name}: {load.run.rtfx:.1f} RTFx, "
                    f"{load.cpu_s / seconds:.3f} s of a core for a second",
                    highlight=False,
                )
    for model in own.values():
        model.close()
    best = min(statistics.median(busy[name]) for name in setups if name.startswith("FunASR"))
    rows = []
    for name, (_, _, precision) in setups.items():
        cost = statistics.median(busy[name])
        rows.append(
            {
                "setup": name,
                "rtfx": round(statistics.median(speeds[name]), 1),
                "core_s_per_s": round(cost, 3),
                "lowest": round(min(busy[name]), 3),
                "highest": round(max(busy[name]), 3),
                "ratio_to_best_funasr": round(best / cost, 2),
                "share_of_roof_percent": round(100 * work / seconds / cost / roofs[precision]),
            }
        )
    gflops = {precision: round(one, 1) for precision, one in roofs.items()}
    return {
        "audio_s": round(seconds, 1),
        "gflop_per_s": round(work / seconds, 2),
        "roof_gflops": gflops,
        "rows": rows,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--utterances", type=int, default=12)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    console = Console()
    kind, items = long_clips(arguments.utterances, 2.0, 10.0)
    result = measure(emotion_model(), items, arguments.threads, arguments.rounds, console)
    table = Table(title=f"{kind}, 2 to 10 s")
    for name in result["rows"][0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "setup" else "right")
    for row in result["rows"]:
        table.add_row(*map(str, row.values()))
    console.print(table)
    about = {"audio": kind, "utterances": len(items), "rounds": arguments.rounds}
    print(write_result(arguments.results, "emotion", **about, **result))


if __name__ == "__main__":
    main()
