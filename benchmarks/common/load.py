"""Systems under load, each in a process of its own.

FunASR calls ``torch.set_num_threads`` for the whole process, when a model is made and in every
``generate``. Two systems in one process would therefore set each other's threads, and memory could
not be told apart. So each has its own process, which sleeps on a pipe while another one is
measured: only one system runs at any time. Rounds can then alternate between systems, which lets
slow changes of the machine (heat, neighbours) hit all alike.
"""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from safeasr.bench.closed_loop import Item, LoadResult, closed_loop

#: A model: the function to measure, and its counters.
_Loaded = tuple[Callable[[Any], str], Callable[[], dict[str, Any]]]


@dataclass(frozen=True)
class System:
    """A library as one would run it.

    Attributes:
        library: "safeasr" or "funasr".
        ncpu: FunASR's threads within an operator; for safeasr the number of workers, 0: all cores.
        locked: only one caller at a time.
    """

    library: str
    ncpu: int = 0
    locked: bool = False

    @property
    def process_key(self) -> tuple[str, int]:
        """Systems with the same key are the same model object, called in different ways."""
        return self.library, self.ncpu


def _safeasr(directory: str, ncpu: int) -> _Loaded:
    from safeasr import AutoModel

    options = {"num_workers": ncpu} if ncpu else {}
    model = AutoModel(model=directory, device="cpu", disable_pbar=True, **options)
    return lambda audio: str(model.generate(audio)[0]["text"]), model.stats


def _funasr(directory: str, ncpu: int) -> _Loaded:
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from funasr import AutoModel

        # dither 0 is in the models' config.yaml: with FunASR's default of 1 texts would be random.
        model = AutoModel(
            model=directory,
            device="cpu",
            ncpu=ncpu,
            disable_update=True,
            disable_pbar=True,
            log_level="ERROR",
        )
    return lambda audio: str(model.generate(audio, disable_pbar=True)[0]["text"]), dict


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in MB.

    From /proc: ``ru_maxrss`` of a new process begins with its parent's.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def busy_seconds() -> float:
    """Processor time that the whole machine has spent so far."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)


def _serve(pipe: Connection, library: str, ncpu: int, directory: str) -> None:
    # What the libraries print must not mix with the tables of the parent.
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    call, stats = {"safeasr": _safeasr, "funasr": _funasr}[library](directory, ncpu)
    lock = threading.Lock()

    def locked(audio: Any) -> str:
        with lock:
            return call(audio)

    pipe.send("ready")
    items: Sequence[Item] = ()
    while (order := pipe.recv()) is not None:
        if "items" in order:
            items = order["items"]
            for item in items[:4]:  # first runs allocate and tune; they are not the speed
                call(item.audio)
            pipe.send("ready")
            continue
        before, busy = stats(), busy_seconds()
        load = closed_loop(
            locked if order["locked"] else call, items, order["threads"], passes=order["passes"]
        )
        busy = busy_seconds() - busy
        pipe.send((load, before, stats(), busy, peak_rss_mb()))


@dataclass(frozen=True)
class Round:
    """Figures of one round; times in seconds or ms as named, memory in MB.

    Attributes:
        other_cpu: cores that were busy with something else; much above 0: do not trust the round.
        mean_batch: utterances in a batch of safeasr; 0 for others.
    """

    threads: int
    utterances: int
    audio_s: float
    wall_s: float
    rtfx: float
    p50_ms: float
    p95_ms: float
    cpu_cores: float
    other_cpu: float
    peak_rss_mb: float
    errors: dict[str, int]
    mean_batch: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def _round(
    load: LoadResult, before: dict[str, Any], after: dict[str, Any], busy: float, rss: float
) -> Round:
    batches = after.get("batches", 0) - before.get("batches", 0)
    requests = after.get("batched_requests", 0) - before.get("batched_requests", 0)
    return Round(
        threads=load.threads,
        utterances=len(load.latencies_s),
        audio_s=round(load.audio_s, 2),
        wall_s=round(load.wall_s, 4),
        rtfx=round(load.rtfx, 2),
        p50_ms=round(load.latency_ms(50), 2),
        p95_ms=round(load.latency_ms(95), 2),
        cpu_cores=round(load.cpu_s / load.wall_s, 2),
        other_cpu=round(max(0.0, busy - load.cpu_s) / load.wall_s, 2),
        peak_rss_mb=round(rss, 1),
        errors=dict(load.errors),
        mean_batch=round(requests / batches, 2) if batches else 0.0,
    )


class Process:
    """A model in a process of its own, which runs rounds when told to."""

    def __init__(self, system: System, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(child, system.library, system.ncpu, str(directory)), daemon=True
        )
        self._process.start()
        child.close()  # so that a child that dies is an EOFError here and no endless wait
        self._pipe.recv()
        self._items: Sequence[Item] = ()
        self.texts: dict[str, set[str]] = {}

    def run(self, system: System, items: Sequence[Item], threads: int, passes: int = 1) -> Round:
        """All items, ``passes`` times, from that many threads."""
        if items is not self._items:
            self._items = items
            self._pipe.send({"items": list(items)})
            self._pipe.recv()
        self._pipe.send({"locked": system.locked, "threads": threads, "passes": passes})
        load, before, after, busy, rss = self._pipe.recv()
        for name, texts in load.results.items():
            self.texts.setdefault(name, set()).update(texts)
        return _round(load, before, after, busy, rss)

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._process.join(30)


class Processes:
    """The processes of several systems, made when first needed; a context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[tuple[str, int], Process] = {}

    def of(self, system: System) -> Process:
        """The process that holds the system's model."""
        if system.process_key not in self._made:
            self._made[system.process_key] = Process(system, self._directory)
        return self._made[system.process_key]

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._made.values():
            process.close()
