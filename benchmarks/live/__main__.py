"""How many live sessions of the full-size streaming model the machine holds.

    python -m benchmarks.live --full     about 15 minutes on two cores
    python -m benchmarks.live --quick    the small model, a minute

Sessions of real-time audio in chunks of 600 ms, paced on an absolute schedule, their starts
staggered over a chunk. The latency of a chunk runs from the moment when its last sample would have
been spoken to the moment when its text is there. A number of sessions is held when the 95th
percentile stays under the limit and nothing fails. Systems take turns at each number; a system
that held neither limit is not asked for more.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.facts import RESULTS, write_result
from benchmarks.common.models import full_size_model
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.noise import speech_like
from safeasr.bench.local import Feed, measure_sessions
from safeasr.loading.find import find_model

OPTIONS: dict[str, Any] = {
    "chunk_size": [0, 10, 5],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}
#: Arguments of AutoModel for each of our own.
OURS: dict[str, dict[str, Any]] = {
    "safeasr": {},
    "safeasr, bf16": {"bf16": True},
    "safeasr, int8": {"quantize": True},
}
SYSTEMS = (*OURS, "FunASR", "FunASR with a lock")
COUNTS = (1, 2, 4, 8, 12, 16, 18, 20, 24, 28, 32, 36, 40, 45, 50, 55, 60)
LIMITS_MS = (300, 600)
#: Samples of a chunk.
STEP = 9600
#: Chunks of a session that are not counted: allocators and caches warm up in them.
WARM = 3
#: Sessions whose texts are compared with what they say alone.
COMPARED = 4


def _safeasr(directory: str, system: str) -> tuple[Any, Any]:
    from safeasr import AutoModel

    model = AutoModel(directory, device="cpu", disable_pbar=True, **OURS[system])

    def open_session() -> Feed:
        stream = model.stream(**OPTIONS)
        return lambda samples, last: str(stream.feed(samples, last)["text"])

    return open_session, model.stats


def _funasr(directory: str, locked: bool) -> tuple[Any, Any]:
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from funasr import AutoModel

        model = AutoModel(
            model=directory, device="cpu", disable_update=True, disable_pbar=True,
            log_level="ERROR",
        )  # fmt: skip
    lock: Any = threading.Lock() if locked else contextlib.nullcontext()

    def open_session() -> Feed:
        cache: dict[str, Any] = {}

        def feed(samples: NDArray[np.float32], last: bool) -> str:
            with lock:
                found = model.generate(samples, cache=cache, is_final=last, **OPTIONS)
            return str(found[0]["text"])

        return feed

    return open_session, dict


def clips_of(count: int, seconds: float) -> list[Clip]:
    """What so many sessions say."""
    # Four voices; each session begins somewhere else in one of them.
    voices = [speech_like(seconds, seed=seed) for seed in range(4)]
    return [Clip(f"session {i}", np.roll(voices[i % 4], STEP * (i // 4))) for i in range(count)]


def warm_chunks(clips: Sequence[Clip]) -> int:
    """How many latencies are not counted: those of the first chunks of all sessions."""
    chunks = -(-len(clips[0].samples) // STEP)
    return len(clips) * min(WARM, chunks - 1)


def measure(system: str, directory: str, count: int, seconds: float) -> dict[str, Any]:
    """One run in this process; the first sessions are compared with what they say alone."""
    open_session, stats = (
        _safeasr(directory, system) if system in OURS else _funasr(directory, "lock" in system)
    )
    clips = clips_of(count, seconds)
    first = clips[:COMPARED]
    alone = measure_sessions(open_session, first, 1, paced=False, rounds=len(first))
    before = stats()
    load = measure_sessions(open_session, clips, alone=alone)
    after = stats()
    # Of latencies in the order in which they ended.
    warm = warm_chunks(clips)
    batches = after.get("batches", 0) - before.get("batches", 0)
    requests = after.get("batched_requests", 0) - before.get("batched_requests", 0)
    return {
        "system": system,
        "sessions": count,
        "p50_ms": round(load.latency_ms(50, warm), 1),
        "p95_ms": round(load.latency_ms(95, warm), 1),
        "p99_ms": round(load.latency_ms(99, warm), 1),
        "errors": load.errors,
        "differing_sessions": load.run.counts.wrong,
        "cpu_cores": round(load.cpu_s / load.run.duration_s, 2),
        "mean_batch": round(requests / batches, 2) if batches else None,
    }


def _run(system: str, directory: Path, count: int, seconds: float) -> dict[str, Any]:
    """One run in a process of its own, so that systems do not set each other's threads."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [
            sys.executable, "-m", "benchmarks.live", "--system", system, "--sessions", str(count),
            "--seconds", str(seconds), "--model", str(directory), "--out", str(out),
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def held(rows: list[dict[str, Any]], system: str, limit_ms: float) -> int:
    """The largest number of sessions at which the limit held, no smaller one having failed."""
    best = 0
    for row in sorted((r for r in rows if r["system"] == system), key=lambda r: r["sessions"]):
        if row["p95_ms"] >= limit_ms or row["errors"]:
            break
        best = row["sessions"]
    return best


def compare(directory: Path, seconds: float, counts: tuple[int, ...]) -> list[dict[str, Any]]:
    """All systems, at rising numbers of sessions."""
    rows: list[dict[str, Any]] = []
    left = list(SYSTEMS)
    for count in counts:
        for system in list(left):
            row = _run(system, directory, count, seconds)
            rows.append(row)
            print(
                f"{system:25} {count:3} sessions: p50 {row['p50_ms']:7.0f}  p95 "
                f"{row['p95_ms']:7.0f}  p99 {row['p99_ms']:7.0f} ms  CPU {row['cpu_cores']:.2f}  "
                f"errors {row['errors'] or 0}  batch {row['mean_batch'] or '-'}",
                flush=True,
            )
            if row["p95_ms"] >= LIMITS_MS[-1]:
                left.remove(system)
    return rows


def main() -> None:
    """Measure and write ``live.json``."""
    parser = argparse.ArgumentParser(prog="benchmarks.live", description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="the full-size model")
    parser.add_argument("--quick", action="store_true", help="the embedded model, few sessions")
    parser.add_argument("--seconds", type=float, default=18.0, help="length of a session")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--system", choices=SYSTEMS, help="one run, for this command itself")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.system:
        row = measure(arguments.system, str(arguments.model), arguments.sessions, arguments.seconds)
        arguments.out.write_text(json.dumps(row), encoding="utf-8")
        os._exit(0)  # FunASR's threads may still be spinning
    full = arguments.full or not arguments.quick
    directory = full_size_model(streaming=True) if full else find_model("demo-streaming")
    counts = COUNTS if full else (1, 8, 32)
    rows = compare(directory, arguments.seconds if full else 6.0, counts)
    best = {s: {str(ms): held(rows, s, ms) for ms in LIMITS_MS} for s in SYSTEMS}
    for system in SYSTEMS:
        print(
            f"{system:25} holds", ", ".join(f"{n} under {ms} ms" for ms, n in best[system].items())
        )
    write_result(
        arguments.results if full else arguments.results / "tmp",
        "live",
        model="Paraformer-large streaming, 600 ms chunks" if full else "demo-streaming",
        seconds=arguments.seconds,
        rows=rows,
        held=best,
    )


if __name__ == "__main__":
    main()
