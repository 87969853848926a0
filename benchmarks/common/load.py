"""Systems under load, each in a process of its own: the targets of `safeasr bench`, held open.

FunASR calls ``torch.set_num_threads`` for the whole process, when a model is made and in every
``generate``. Two systems in one process would therefore set each other's threads, and memory could
not be told apart. A process sleeps while another one is measured: only one system runs at any time.
Rounds can then alternate between systems, which lets slow changes of the machine (heat, neighbours)
hit all alike.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.common.usage import cpu_seconds, machine_seconds, peak_mb
from safeasr.bench.audio.clips import Clip
from safeasr.bench.findings.figures import figures_of
from safeasr.bench.load.fleet import Fleet
from safeasr.bench.load.loaded import Progress
from safeasr.bench.load.loads import Closed, Load
from safeasr.bench.local import TIMEOUT_S, Measured
from safeasr.bench.targets.base import Options

#: First runs allocate and tune; they are not the speed.
WARM_CLIPS = 4


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
    def target(self) -> str:
        """What `safeasr bench` calls it."""
        return f"inproc:{self.library}{'-lock' if self.locked else ''}"

    def options(self, directory: Path) -> Options:
        """The model of a directory, as this system loads it."""
        # dither 0 is in the models' config.yaml: with FunASR's default of 1 texts would be random.
        name = "num_workers" if self.library == "safeasr" else "ncpu"
        count = {name: self.ncpu} if self.ncpu else {}
        return Options(model=str(directory), model_options={"device": "cpu", **count})


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


def _mean_batch(progress: Sequence[Progress]) -> float:
    if not progress or "batches" not in progress[-1].stats:
        return 0.0
    first, last = progress[0].stats, progress[-1].stats
    batches = last["batches"] - first.get("batches", 0.0)
    requests = last["batched_requests"] - first.get("batched_requests", 0.0)
    return round(requests / batches, 2) if batches else 0.0


class Process:
    """A system in a process of its own, which runs rounds when told to; all say the same clips.

    Raises:
        TargetError: the system cannot be loaded.
    """

    def __init__(self, system: System, directory: Path, clips: Sequence[Clip]) -> None:
        self._clips = clips
        self._fleet = Fleet(system.target, system.options(directory), clips).__enter__()
        self._fleet.alone(None, TIMEOUT_S, clips=WARM_CLIPS)
        self.texts: dict[str, set[str]] = {}

    def run(self, threads: int, passes: int = 1) -> Round:
        """All clips, ``passes`` times, from that many threads."""
        load = Load(Closed(threads, None, passes * len(self._clips)), TIMEOUT_S)
        (pid,) = self._fleet.pids
        began, busy, own = time.monotonic(), machine_seconds(), cpu_seconds(pid)
        loaded = self._fleet.run(load)
        others = machine_seconds() - busy - (cpu_seconds(pid) - own)
        others /= time.monotonic() - began
        run, _ = figures_of(self._fleet.spec, load, loaded, self._clips)
        found = Measured(run, loaded.records, self._clips, loaded.cpu_s)
        for name, texts in found.texts.items():
            self.texts.setdefault(name, set()).update(texts)
        return Round(
            threads=threads,
            utterances=len(found.latencies_s),
            audio_s=run.audio_s,
            wall_s=round(run.duration_s, 4),
            rtfx=round(run.rtfx, 2),
            p50_ms=round(found.latency_ms(50), 2),
            p95_ms=round(found.latency_ms(95), 2),
            cpu_cores=round(found.cpu_s / run.duration_s, 2),
            other_cpu=round(max(0.0, others), 2),
            peak_rss_mb=round(peak_mb(pid), 1),
            errors=found.errors,
            mean_batch=_mean_batch(loaded.progress),
        )

    def close(self) -> None:
        """End the process."""
        self._fleet.close()


class Processes:
    """The processes of several systems, made when first needed; a context manager."""

    def __init__(self, directory: Path, clips: Sequence[Clip]) -> None:
        self._directory, self._clips = directory, clips
        self._made: dict[System, Process] = {}

    def of(self, system: System) -> Process:
        """The system's process."""
        if system not in self._made:
            self._made[system] = Process(system, self._directory, self._clips)
        return self._made[system]

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
