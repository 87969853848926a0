"""The two libraries, each in a process of its own, and how several threads ask them."""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.vad.jobs import CHUNKS_MS, Job, Samples

#: A thread of FunASR's can hang; what has not ended by then is counted as such.
PATIENCE_S = 300.0
#: What each chunk of a stream brought.
Answer = list[list[list[int]]]


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
