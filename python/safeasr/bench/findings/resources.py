"""Processor, memory and the target's own numbers, once a second, on the load's clock."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

__all__ = ["Sample", "Sampler", "listener_of"]

_CGROUP = Path("/sys/fs/cgroup")


@dataclass
class Sample:
    """What was counted up to one moment; see :class:`safeasr.bench.findings.results.Second`."""

    at: float
    cores: list[float] = field(default_factory=list)
    target_cpu_s: float | None = None
    tester_cpu_s: float | None = None
    memory_mb: float | None = None
    threads: int | None = None
    switches: int | None = None
    periods: tuple[int, int] | None = None
    gpu: float | None = None
    gpu_memory_mb: float | None = None


def listener_of(port: int) -> int | None:
    """The process on this machine that listens on a port, if one may know."""
    with contextlib.suppress(psutil.Error, OSError, RuntimeError):
        for one in psutil.net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                return int(one.pid) if one.pid is not None else None
    return None


class _Tree:
    """A process and its children: their processor time, also of those that ended meanwhile."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._roots = []
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                self._roots.append(psutil.Process(pid))
        self._spent: dict[int, float] = {}

    def look(self, sample: Sample) -> float:
        """Note memory, threads and switches; returns processor seconds so far."""
        memory = threads = switches = 0
        for process in self._all():
            with contextlib.suppress(psutil.Error), process.oneshot():
                times = process.cpu_times()
                self._spent[process.pid] = times.user + times.system
                memory += process.memory_info().rss
                threads += process.num_threads()
                switches += sum(process.num_ctx_switches())
        sample.memory_mb = round(memory / 2**20, 1)
        sample.threads, sample.switches = threads, switches
        return sum(self._spent.values())

    def _all(self) -> list[psutil.Process]:
        found = list(self._roots)
        for root in self._roots:
            with contextlib.suppress(psutil.Error):
                found.extend(root.children(recursive=True))
        return found

    def __bool__(self) -> bool:
        return bool(self._roots)


def _periods() -> tuple[int, int] | None:
    """Periods of this container's processor limit, and those in which it held it up."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (_CGROUP / "cpu.stat").read_text().splitlines()
        found = dict(line.split() for line in lines)
        return int(found["nr_periods"]), int(found["nr_throttled"])
    return None


def _gpus() -> Any:
    try:
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        return nvml if nvml.nvmlDeviceGetCount() else None
    except Exception:  # no such package, driver or device
        return None


class Sampler:
    """Samples in a thread of its own; a context manager.

    Args:
        target: processes that compute; none if they are on another machine.
        tester: processes that generate.
        period_s: between samples.
    """

    def __init__(self, target: Sequence[int], tester: Sequence[int], period_s: float = 1.0) -> None:
        self._target, self._tester = _Tree(target), _Tree(tester)
        self._period = period_s
        self._end = threading.Event()
        self._nvml = _gpus()
        count = psutil.cpu_count() or 1
        self._allowed = (
            sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(count)
        )
        self._thread = threading.Thread(target=self._run, daemon=True, name="resources")
        self.samples: list[Sample] = []

    def __enter__(self) -> Sampler:
        psutil.cpu_percent(percpu=True)  # the next one counts from here
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            self.samples.append(self._look())
            due += self._period
            if self._end.wait(max(0.0, due - time.monotonic())):
                self.samples.append(self._look())
                return

    def _look(self) -> Sample:
        sample = Sample(time.monotonic())
        busy = psutil.cpu_percent(percpu=True)
        sample.cores = [round(busy[n] / 100, 3) for n in self._allowed if n < len(busy)]
        if self._tester:
            sample.tester_cpu_s = self._tester.look(sample)
            sample.memory_mb = sample.threads = sample.switches = None
        if self._target:
            sample.target_cpu_s = self._target.look(sample)
        # Of a server elsewhere this machine's limits and GPUs say nothing.
        if self._target:
            sample.periods = _periods()
        if self._target and self._nvml is not None:
            with contextlib.suppress(Exception):
                self._look_at_gpus(sample)
        return sample

    def _look_at_gpus(self, sample: Sample) -> None:
        nvml = self._nvml
        busiest = (-1.0, 0.0)
        for number in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(number)
            used = nvml.nvmlDeviceGetMemoryInfo(handle).used / 2**20
            share = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
            busiest = max(busiest, (share, used))
        sample.gpu, sample.gpu_memory_mb = busiest[0], round(busiest[1], 1)
