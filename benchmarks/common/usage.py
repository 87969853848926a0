"""Processor time and memory of a process and its children, and of the machine. Linux."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil


def tree(pid: int | None = None) -> list[psutil.Process]:
    """A process and its descendants; default: this one."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int | None = None) -> float:
    """Processor time of the tree so far, user and system, in seconds."""
    total = 0.0
    for one in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def machine_seconds() -> float:
    """Processor time that the whole machine has spent so far, in seconds."""
    times = psutil.cpu_times()
    return float(times.user + times.system + times.nice)


def _status_mb(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def peak_mb(pid: int | None = None) -> float:
    """Largest resident memory since the start or the last reset, in MB.

    The sum of the processes' peaks; what they share is counted in each of them.
    """
    return sum(_status_mb(one.pid, "VmHWM:") for one in tree(pid))


def reset_peaks(pid: int | None = None) -> None:
    """Let the peaks start again from what is resident now."""
    for one in tree(pid):
        with contextlib.suppress(OSError):
            Path(f"/proc/{one.pid}/clear_refs").write_text("5", encoding="utf-8")
