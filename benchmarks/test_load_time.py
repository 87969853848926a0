"""Start-up: import time, loading time, and memory with 1 and 32 calling threads.

Each measurement is a new interpreter. Loading is from safeasr's cache, with the files in the
operating system's page cache, as after the first start on a machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.load import Process, System
from benchmarks.compare import summary
from safeasr.bench.audio.clips import Clip

Model = tuple[Path, list[Clip]]

SCRIPTS = {
    "safeasr": """
import time; began = time.perf_counter()
import torch; torch_s = time.perf_counter() - began
from safeasr import AutoModel; import_s = time.perf_counter() - began
began = time.perf_counter()
model = AutoModel(model=sys.argv[1], device="cpu", disable_pbar=True)
load_s = time.perf_counter() - began
""",
    "funasr": """
import time; began = time.perf_counter()
import torch; torch_s = time.perf_counter() - began
from funasr import AutoModel; import_s = time.perf_counter() - began
began = time.perf_counter()
model = AutoModel(model=sys.argv[1], device="cpu", ncpu=2, disable_pbar=True, disable_update=True,
                  log_level="ERROR")
load_s = time.perf_counter() - began
""",
}
REPORT = """
pages = {l.split(":")[0]: l.split()[1] for l in open("/proc/self/status") if l.startswith("Vm")}
print("FIGURES", json.dumps({"torch_s": torch_s, "import_s": import_s, "load_s": load_s,
      "rss_mb": int(pages["VmRSS"]) / 1024, "peak_rss_mb": int(pages["VmHWM"]) / 1024}))
"""


def start(library: str, directory: Path) -> dict[str, float]:
    """Import and load in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys" + SCRIPTS[library] + REPORT, str(directory)],
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(x for x in done.stdout.splitlines() if x.startswith("FIGURES"))
    return dict(json.loads(line.removeprefix("FIGURES")))


def measure_start(benchmark: Any, library: str, directory: Path, rounds: int) -> dict[str, float]:
    if library == "funasr":
        pytest.importorskip("funasr")
    start(library, directory)  # exports if need be, and fills the page cache
    taken: list[dict[str, float]] = []
    benchmark.pedantic(lambda: taken.append(start(library, directory)), rounds=rounds)
    return {key: round(sorted(one[key] for one in taken)[len(taken) // 2], 3) for key in taken[0]}


@pytest.mark.parametrize("library", ["safeasr", "funasr"])
def test_start_demo(
    benchmark: Any, demo: Model, report: Callable[..., None], quick: bool, library: str
) -> None:
    report(
        model="demo",
        library=library,
        **measure_start(benchmark, library, demo[0], 1 if quick else 3),
    )


@pytest.mark.parametrize("library", ["safeasr", "funasr"])
def test_start_full_size(
    benchmark: Any, full_size: Model, report: Callable[..., None], library: str
) -> None:
    report(
        model="Paraformer-large",
        library=library,
        **measure_start(benchmark, library, full_size[0], 3),
    )


@pytest.mark.parametrize("threads", [1, 32])
@pytest.mark.parametrize("library", ["safeasr", "funasr"])
def test_memory_full_size(
    benchmark: Any, full_size: Model, report: Callable[..., None], library: str, threads: int
) -> None:
    """Peak memory of a load from that many threads; each in a new process, for its own peak."""
    if library == "funasr":
        pytest.importorskip("funasr")
    directory, items = full_size
    system = System(library, 0 if library == "safeasr" else 2)
    process = Process(system, directory, items)
    taken = []
    benchmark.pedantic(lambda: taken.append(process.run(threads)), rounds=1)
    process.close()
    figures = summary(library, taken)
    report(
        model="Paraformer-large",
        library=library,
        threads=threads,
        peak_rss_mb=figures["peak_rss_mb"],
        errors=figures["errors"],
    )
