"""Our encoder program beside the same network compiled by AOTInductor, on one core.

    python -m benchmarks.aot_inductor [--rounds 9] [--folder DIR] [--results DIR]

The encoder of Paraformer-large with random weights, in float32 and bfloat16: as we run it
(TorchScript, linear layers packed for oneDNN), compiled around our operators, and compiled from
plain tensor operations. Needs a C++ compiler, 12 GB of memory, 5 GB of disk and half an hour.
Compiled programs stay in the folder and are taken from there the next time. Writes
aot_inductor.json and a section of docs/performance.md. Times are of the core, so that other load
on the machine disturbs them little.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.facts import RESULTS, write_result
from benchmarks.report.aot_inductor import write_section
from benchmarks.report.page import PAGE
from safeasr.bundles.cache import cache_dir

PROGRAMS = ("torchscript", "operators", "plain")
PRECISIONS = ("float32", "bfloat16")
BLOCKS = 50
#: Layers of the network on which Inductor's own matrix kernels are tried.
FEW_BLOCKS = 4
#: A processor without AVX-512, as far as libraries let themselves be told.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def step(*arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a step in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.aot_inductor.programs", *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(*arguments[:3], result, flush=True)
    return result


def made(folder: Path, name: str, precision: str, blocks: int) -> tuple[Path, dict[str, Any]]:
    """A program's file, and what it took to make it."""
    file = folder / f"{name}-{precision}-{blocks}{'.ts' if name == 'torchscript' else '.pt2'}"
    facts = file.with_suffix(".json")
    if not facts.is_file():
        facts.write_text(json.dumps(step("make", name, precision, str(blocks), str(file))))
    return file, json.loads(facts.read_text())


def templates(folder: Path) -> list[dict[str, Any]]:
    """Inductor's own matrix kernels against oneDNN's."""
    rows = []
    for precision in PRECISIONS:
        row: dict[str, Any] = {"precision": precision, "blocks": FEW_BLOCKS}
        for name in ("operators", "operators-template"):
            file, _ = made(folder, name, precision, FEW_BLOCKS)
            row[name] = step("speed", name, str(file))["ms"]
        rows.append(row)
    return rows


def main() -> None:
    """Make, measure, write."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.aot_inductor", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where programs are kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    folder = arguments.folder or cache_dir() / "benchmark-aot-inductor"
    folder.mkdir(parents=True, exist_ok=True)
    speeds: list[dict[str, Any]] = []
    programs: list[dict[str, Any]] = []
    for precision in PRECISIONS:
        files = {name: made(folder, name, precision, BLOCKS) for name in PROGRAMS}
        raced = step(
            "race",
            precision,
            str(arguments.rounds),
            *(f"{name}={file}" for name, (file, _) in files.items()),
        )
        speeds += raced["speeds"]
        for facts in raced["facts"]:
            name = facts["program"]
            file, costs = files[name]
            row = {**facts, **costs, **step("load", name, str(file))}
            if precision == "float32":  # AVX2 has no bfloat16
                row["ms_told_avx2"] = step("speed", name, str(file), environment=AVX2)["ms"]
            programs.append(row)
    write_result(
        arguments.results,
        "aot_inductor",
        rounds=arguments.rounds,
        speeds=speeds,
        programs=programs,
        templates=templates(folder),
    )
    write_section(arguments.results, PAGE)


if __name__ == "__main__":
    main()
