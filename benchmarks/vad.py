"""Voice activity detection: streams from many threads, and recordings from one to four.

    python -m benchmarks.vad [--threads 12] [--passes 2] [--rounds 7] [--seconds 12] [--results DIR]

Streams: the threads stream recordings, in chunks of 60, 100, 200 or 400 ms each, through one model:
FunASR's ``AutoModel.generate(chunk, cache=...)``, safeasr's stream. What each chunk brings is
compared with what FunASR answers in a fresh model from one thread. Recordings: about 70 s in one
call, in alternating rounds. Each library has a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.common.audio import RATE, long_items
from benchmarks.common.facts import RESULTS, write_result
from benchmarks.common.models import data_root, vad_model
from safeasr.bench.closed_loop import speech_like
from safeasr.inputs.audio import load_audio

CHUNKS_MS = (60, 100, 200, 400)
#: A thread of FunASR's can hang; what has not ended by then is counted as such.
PATIENCE_S = 300.0
Samples = NDArray[np.float32]
#: What each chunk of a stream brought.
Answer = list[list[list[int]]]


@dataclass(frozen=True, eq=False)
class Job:
    """One stream.

    Attributes:
        name: of the recording.
        chunk_ms: length of a chunk.
        samples: the recording.
    """

    name: str
    chunk_ms: int
    samples: Samples

    def pieces(self) -> list[Samples]:
        """The recording in chunks."""
        size = RATE * self.chunk_ms // 1000
        return [self.samples[i : i + size] for i in range(0, len(self.samples), size)]


def recordings(count: int, seconds: float) -> tuple[str, list[tuple[str, Samples]]]:
    """Several recordings, and what they are."""
    kind, items = long_items(count, seconds * 0.75, seconds * 1.25)
    return kind, [(item.name, np.asarray(item.audio, np.float32)) for item in items]


def long_recording() -> tuple[str, Samples]:
    """About 70 s: FunASR's example, or noise with pauses."""
    file = data_root() / "audio" / "vad_example.wav"
    if file.is_file():
        return file.name, np.asarray(load_audio(str(file), RATE, RATE), np.float32)
    rng = np.random.default_rng(0)
    parts = []
    for seed in range(12):
        parts.append(speech_like(4.0, seed))
        parts.append((1e-3 * rng.standard_normal(RATE * 2)).astype(np.float32))
    return "speech-like noise", np.concatenate(parts)


class _FunAsr:
    def __init__(self, directory: str) -> None:
        logging.disable(logging.WARNING)
        from funasr import AutoModel

        self._make = lambda: AutoModel(
            model=directory, device="cpu", ncpu=1, disable_update=True, disable_pbar=True,
            log_level="ERROR",
        )  # fmt: skip
        self._shared = self._make()

    def fresh(self) -> None:
        """Forget what earlier calls left in the model."""
        self._shared = self._make()

    def whole(self, samples: Samples) -> Any:
        return _plain(self._shared.generate(samples)[0]["value"])

    def stream(self, job: Job) -> Answer:
        cache: dict[str, Any] = {}
        pieces = job.pieces()
        answer = []
        for index, piece in enumerate(pieces):
            result = self._shared.generate(
                piece, cache=cache, is_final=index == len(pieces) - 1, chunk_size=job.chunk_ms
            )
            answer.append(_plain(result[0]["value"]))
        return answer


class _SafeAsr:
    def __init__(self, directory: str) -> None:
        from safeasr import AutoModel

        self._model = AutoModel(model=directory, device="cpu", disable_pbar=True)

    def fresh(self) -> None:
        """Nothing is left in a model."""

    def whole(self, samples: Samples) -> Any:
        return _plain(self._model.generate(samples)[0]["value"])

    def stream(self, job: Job) -> Answer:
        stream = self._model.stream(chunk_size=job.chunk_ms)
        pieces = job.pieces()
        return [
            _plain(stream.feed(piece, index == len(pieces) - 1)["value"])
            for index, piece in enumerate(pieces)
        ]


def _plain(segments: Any) -> list[list[int]]:
    return [[int(start), int(end)] for start, end in segments]


def _parallel(threads: int, count: int, work: Callable[[int], None]) -> tuple[float, int]:
    """Numbers 0 to count - 1 in turn from several threads; seconds, and how many never ended."""
    lock = threading.Lock()
    taken = ended = 0
    start = threading.Barrier(threads + 1)

    def run() -> None:
        nonlocal taken, ended
        start.wait()
        while True:
            with lock:
                if taken == count:
                    return
                number = taken
                taken += 1
            work(number)
            with lock:
                ended += 1

    workers = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    began = time.perf_counter()
    start.wait()
    for worker in workers:
        worker.join(max(0.1, began + PATIENCE_S - time.perf_counter()))
    return time.perf_counter() - began, count - ended


def _streams(
    library: Any, jobs: list[Job], expected: list[Answer], threads: int, passes: int
) -> dict[str, Any]:
    """Chunk sizes in company, as the callers of a server would have them."""
    outcomes: dict[int, Counter[str]] = {chunk: Counter() for chunk in CHUNKS_MS}
    order = np.random.default_rng(0).permutation(passes * len(jobs)) % len(jobs)
    lock = threading.Lock()

    def work(number: int) -> None:
        job = jobs[order[number]]
        try:
            outcome = "equal" if library.stream(job) == expected[order[number]] else "wrong"
        except Exception as error:
            outcome = type(error).__name__
        with lock:
            outcomes[job.chunk_ms][outcome] += 1

    wall, _ = _parallel(threads, len(order), work)
    return {"wall_s": wall, "outcomes": {chunk: dict(n) for chunk, n in outcomes.items()}}


def _whole(library: Any, samples: Samples, threads: int, calls: int) -> dict[str, Any]:
    answers: list[Any] = []
    cpu = time.process_time()
    wall, _ = _parallel(threads, calls, lambda _: answers.append(library.whole(samples.copy())))
    cpu = time.process_time() - cpu
    return {"wall_s": wall, "cpu_s": cpu, "answers": answers}


def _serve(pipe: Connection, library: str, directory: str) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    with contextlib.redirect_stderr(io.StringIO()):
        model: Any = {"funasr": _FunAsr, "safeasr": _SafeAsr}[library](directory)
    pipe.send("ready")
    while (order := pipe.recv()) is not None:
        name, arguments = order
        if name == "alone":
            answers = []
            for job in arguments[0]:
                model.fresh()
                answers.append(model.stream(job))
            pipe.send(answers)
        elif name == "streams":
            model.fresh()
            pipe.send(_streams(model, *arguments))
        else:
            pipe.send(_whole(model, *arguments))


class Process:
    """A library in a process of its own, which sleeps until it is asked something."""

    def __init__(self, library: str, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(child, library, str(directory)), daemon=True
        )
        self._process.start()
        child.close()
        self._pipe.recv()

    def ask(self, name: str, *arguments: Any) -> Any:
        """Run something there and wait for the answer."""
        self._pipe.send((name, arguments))
        return self._pipe.recv()

    def close(self) -> None:
        """End it, whatever its threads are at."""
        self._process.kill()
        self._process.join(30)


def measure_streams(
    directory: Path, jobs: list[Job], threads: int, passes: int, console: Console
) -> list[dict[str, Any]]:
    """Both libraries on the same streams, beside FunASR's own answers from one thread."""
    alone = Process("funasr", directory)
    expected = alone.ask("alone", jobs)
    alone.close()
    console.print(f"{len(jobs)} streams from one thread of FunASR: done", highlight=False)
    rows = []
    for library in ("funasr", "safeasr"):
        process = Process(library, directory)
        run = process.ask("streams", jobs, expected, threads, passes)
        process.close()
        for chunk in CHUNKS_MS:
            mine = [job for job in jobs if job.chunk_ms == chunk]
            counts = dict(run["outcomes"][chunk])
            row: dict[str, Any] = {
                "library": library,
                "chunk_ms": chunk,
                "streams": passes * len(mine),
            }
            row["equal"] = counts.pop("equal", 0)
            row["wrong"] = counts.pop("wrong", 0)
            row["exceptions"] = counts
            row["never_ended"] = row["streams"] - row["equal"] - row["wrong"] - sum(counts.values())
            rows.append(row)
        audio = sum(len(job.samples) for job in jobs) / RATE * passes
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
    kind, found = recordings(arguments.count, arguments.seconds)
    jobs = [Job(name, chunk, samples) for chunk in CHUNKS_MS for name, samples in found]
    long, samples = long_recording()
    result: dict[str, Any] = {
        "model": "published" if "benchmark-models" not in directory.parts else "random weights",
        "audio": kind,
        "threads": arguments.threads,
        "streams": measure_streams(directory, jobs, arguments.threads, arguments.passes, console),
        "long": long,
        "long_s": round(len(samples) / RATE, 1),
        "rounds": arguments.rounds,
        "whole": measure_whole(directory, samples, arguments.rounds, console),
    }
    show(result, console)
    print(write_result(arguments.results, "vad", **result))


if __name__ == "__main__":
    main()
