"""What the figures were taken on. No names of hosts, users or directories."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import safeasr

RESULTS = Path(__file__).resolve().parents[1] / "results"
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8")


def _cpu() -> tuple[str, list[str]]:
    name, flags = platform.machine(), set()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = set(value.split())
    except OSError:
        pass  # not Linux
    return name, [flag for flag in _FLAGS if flag in flags]


def machine_facts() -> dict[str, Any]:
    """Cores, processor, and the versions that matter."""
    name, flags = _cpu()
    try:
        funasr = metadata.version("funasr")
    except metadata.PackageNotFoundError:
        funasr = "not installed"
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": name,
        "flags": flags,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "funasr": funasr,
        "safeasr": safeasr.__version__,
    }


def write_result(folder: Path, name: str, **content: Any) -> Path:
    """Write ``<folder>/<name>.json`` with the machine's facts."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    document = {"machine": machine_facts(), **content}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
