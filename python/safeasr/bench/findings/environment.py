"""The machine and the versions that a report names."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["environment"]

_PACKAGES = ("safeasr", "torch", "funasr", "funasr-onnx", "onnxruntime", "numpy", "websockets")


def environment() -> dict[str, Any]:
    """Processor, cores, limits, memory, system and versions; nothing is imported for them."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores allowed": allowed,
        "memory GB": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    limit = _quota()
    if limit is not None:
        found["container's cores"] = limit
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _quota() -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return round(int(quota) / int(period), 2)
    return None
