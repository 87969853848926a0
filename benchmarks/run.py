"""Run all benchmarks and write what came out.

    python -m benchmarks.run --full      about 100 minutes on two cores; writes benchmarks/results,
                                         docs/images and docs/performance.md
    python -m benchmarks.run --quick     about 3 minutes, the small model; writes only below
                                         benchmarks/results/tmp

Nothing else should run on the machine meanwhile; every result says how busy others were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.common.facts import RESULTS, write_result
from benchmarks.report.page import PAGE, write_page
from benchmarks.report.plots import IMAGES, plot_all

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = RESULTS / "tmp"
FILES = {
    "overhead": "test_engine_overhead.py",
    "load-time": "test_load_time.py",
    "scaling": "test_thread_scaling.py",
}


def _python(*arguments: object) -> None:
    command = [sys.executable, *map(str, arguments)]
    print("\n$ python", *command[1:], flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


def rows_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Our own figures of each benchmark, and the median of pytest-benchmark's times.

    The rest of pytest-benchmark's file stays out: it names the host and the user's branch.
    """
    return [
        {"test": one["name"], "median_s": one["stats"]["median"], **one["extra_info"]}
        for one in raw["benchmarks"]
        if one["extra_info"]
    ]


def run_pytest(name: str, results: Path, quick: bool) -> None:
    """One file of pytest benchmarks, and its result."""
    raw = SCRATCH / f"{name}.raw.json"
    _python(
        "-m", "pytest", f"benchmarks/{FILES[name]}", "-q", "-o", "addopts=", "--benchmark-only",
        "--benchmark-columns=median,min,max,rounds", "--benchmark-sort=fullname",
        f"--benchmark-json={raw}", *(["--quick"] if quick else []),
    )  # fmt: skip
    rows = rows_of(json.loads(raw.read_text(encoding="utf-8")))
    raw.unlink()
    write_result(results, name, rows=rows)


def main() -> None:
    """Run, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small model, few rounds (default)")
    size.add_argument("--full", action="store_true", help="everything; writes the documentation")
    arguments = parser.parse_args()
    full = arguments.full

    results = RESULTS if full else SCRATCH
    SCRATCH.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        run_pytest(name, results, quick=not full)
    where = ("--results", results)
    _python("-m", "benchmarks.compare", "--demo", "--passes", 6 if full else 2, *where,
            "--rounds", 7 if full else 2)  # fmt: skip
    if full:
        _python("-m", "benchmarks.compare", "--max-other-cpu", 0.2, "--utterances", 24, *where)
        _python("-m", "benchmarks.live", "--full", *where)
        _python("-m", "benchmarks.vad", *where)
        _python("-m", "benchmarks.recordings", *where)
        _python("-m", "benchmarks.hotwords", *where)
        _python("-m", "benchmarks.compare", "--keywords", "--passes", 4, *where)
        _python("-m", "benchmarks.emotion", *where)
        # The pages are written below, once for all.
        _python("-m", "benchmarks.peers", "--full", "--max-other-cpu", 0.2, *where)
    images, page = (IMAGES, PAGE) if full else (SCRATCH / "images", SCRATCH / "performance.md")
    plot_all(results, images)
    write_page(results, page, images)
    print(f"\nwritten: {page.relative_to(ROOT)}, {results.relative_to(ROOT)}/*.json")


if __name__ == "__main__":
    main()
