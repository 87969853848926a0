"""The process of one system: loads it, and runs loads on it when told to.

Started by ``fleet`` as ``python -m benchmarks.peers.worker FD``; FD is a pipe of pickled messages.
Imports little: whatever is imported here is in every system's memory.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.common.usage import cpu_seconds, machine_seconds, peak_mb, reset_peaks
from benchmarks.peers.adapters import Adapter, Files, UnavailableError, load
from benchmarks.peers.serving import Pool
from benchmarks.peers.setups import Setup
from safeasr.bench.audio.clips import Clip
from safeasr.bench.local import measure_calls


def _front(
    adapter: Adapter, setup: Setup, callers: int
) -> tuple[Callable[[Any], str], Pool | None]:
    """How a caller reaches the library."""
    if setup.slots:
        pool = Pool(adapter.transcribe, setup.slots, setup.batch, callers)
        return pool, pool

    def direct(audio: Any) -> str:
        return adapter.transcribe([audio])[0]

    if not setup.locked:
        return direct, None
    lock = threading.Lock()

    def locked(audio: Any) -> str:
        with lock:
            return direct(audio)

    return locked, None


def run(
    adapter: Adapter, setup: Setup, items: list[Any], callers: int, passes: int, life_mb: float
) -> dict[str, Any]:
    """One load; seconds and MB."""
    call, pool = _front(adapter, setup, callers)
    before = adapter.stats()
    busy, cpu = machine_seconds(), cpu_seconds()
    load = measure_calls(call, items, callers, passes=passes)
    cpu = cpu_seconds() - cpu
    busy = machine_seconds() - busy
    after = adapter.stats()
    batches = after.get("batches", 0) - before.get("batches", 0)
    requests = after.get("batched_requests", 0) - before.get("batched_requests", 0)
    if pool is not None:
        pool.close()
        batches, requests = pool.batches, pool.requests
    serving = peak_mb()
    return {
        "callers": callers,
        "wall_s": load.run.duration_s,
        "cpu_s": cpu,
        "other_cpu": max(0.0, busy - cpu) / load.run.duration_s,
        "audio_s": load.run.audio_s,
        "latencies_s": load.latencies_s.tolist(),
        "errors": load.errors,
        "texts": {name: sorted(texts) for name, texts in load.texts.items()},
        "mean_batch": requests / batches if batches else 1.0,
        "serving_mb": serving,
        "peak_mb": max(serving, life_mb),
    }


def serve(pipe: Connection) -> None:
    """Load what the first message says, then run what the others say."""
    files, setup = pipe.recv()
    began = time.perf_counter()
    try:
        adapter = load(Files(*files), setup)
    except UnavailableError as error:
        pipe.send({"unavailable": str(error)})
        return
    except Exception as error:
        pipe.send({"unavailable": f"{type(error).__name__}: {error}"})
        return
    life_mb = peak_mb()
    pipe.send({"load_s": time.perf_counter() - began, "notes": adapter.notes, "load_mb": life_mb})
    reset_peaks()
    items: list[Clip] = []
    while (order := pipe.recv()) is not None:
        if "items" in order:
            items = [Clip(*one) for one in order["items"]]
        # First runs allocate and tune; they are not the speed. Again after each change of set-up.
        if order.get("warm"):
            callers = order["callers"]
            call, pool = _front(adapter, order["setup"], callers)
            measure_calls(call, items[: order["warm"]], min(callers, order["warm"]), passes=1)
            if pool is not None:
                pool.close()
        answer = run(adapter, order["setup"], items, order["callers"], order["passes"], life_mb)
        pipe.send(answer)
    adapter.close()


def main() -> None:
    """Serve the pipe whose number is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends us
    # What the libraries print must not mix with the tables of the parent.
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    # EOFError: the parent is gone.
    with Connection(int(sys.argv[1])) as pipe, contextlib.suppress(EOFError):
        serve(pipe)
    os._exit(0)  # some libraries hang or abort when their globals are torn down


if __name__ == "__main__":
    main()
