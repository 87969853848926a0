"""The two libraries, each in a process of its own, and how several threads ask them."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import os
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.vad.jobs import CHUNKS_MS, Samples, pieces
from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.records import Outcome
from safeasr.bench.local import measure_calls

#: A call of FunASR's can hang; what has not ended by then is counted as such, in seconds.
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

    def stream(self, samples: Samples, chunk_ms: int) -> Answer:
        cache: dict[str, Any] = {}
        chunks = pieces(samples, chunk_ms)
        answer = []
        for index, piece in enumerate(chunks):
            result = self._shared.generate(
                piece, cache=cache, is_final=index == len(chunks) - 1, chunk_size=chunk_ms
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

    def stream(self, samples: Samples, chunk_ms: int) -> Answer:
        stream = self._model.stream(chunk_size=chunk_ms)
        chunks = pieces(samples, chunk_ms)
        return [
            _plain(stream.feed(piece, index == len(chunks) - 1)["value"])
            for index, piece in enumerate(chunks)
        ]


def _plain(segments: Any) -> list[list[int]]:
    return [[int(start), int(end)] for start, end in segments]


def _streams(
    library: Any, clips: list[Clip], expected: list[str], threads: int, passes: int
) -> dict[str, Any]:
    """Chunk sizes in company, as the callers of a server would have them."""

    def call(samples: Samples, chunk_ms: int) -> str:
        return json.dumps(library.stream(samples, chunk_ms))

    load = measure_calls(call, clips, threads, passes=passes, timeout_s=PATIENCE_S)
    outcomes: dict[int, Counter[str]] = {chunk: Counter() for chunk in CHUNKS_MS}
    records = load.records
    for clip, outcome, what in zip(records.clip, records.outcome, records.what, strict=True):
        if outcome == Outcome.ANSWERED:
            kind = "equal" if records.answers[what][1].text == expected[clip] else "wrong"
        elif outcome == Outcome.LOST:
            kind = "never ended"
        else:
            kind = records.errors[what][0]
        outcomes[clips[clip].options["chunk_ms"]][kind] += 1
    return {
        "wall_s": load.run.duration_s,
        "outcomes": {chunk: dict(n) for chunk, n in outcomes.items()},
    }


def _whole(library: Any, samples: Samples, threads: int, calls: int) -> dict[str, Any]:
    def call(samples: Samples) -> str:
        return json.dumps(library.whole(samples.copy()))

    load = measure_calls(call, [Clip("whole", samples)], threads, passes=calls)
    records = load.records
    answers = [
        records.answers[what][1].text
        for outcome, what in zip(records.outcome, records.what, strict=True)
        if outcome == Outcome.ANSWERED
    ]
    return {"wall_s": load.run.duration_s, "cpu_s": load.cpu_s, "answers": answers}


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
            for clip in arguments[0]:
                model.fresh()
                answers.append(json.dumps(model.stream(clip.samples, **clip.options)))
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
