"""safeasr beside FunASR, ONNX run-times and OpenVINO, in one run on one set of utterances.

    python -m benchmarks.peers --full [--model paraformer|sense-voice] [--rounds 5]
    python -m benchmarks.peers --quick          the demo model, for tests and development

Each library is tried in several thread set-ups first and compared in its fastest. Then alternating
rounds with 16 callers, a grid over 1, 4 and 64, a single caller alone, and the roof, before and
after. ``--full`` writes benchmarks/results/peers*.json and refreshes docs/performance.md;
``--quick`` writes below benchmarks/results/tmp.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.common.audio import long_clips
from benchmarks.common.facts import RESULTS, write_result
from benchmarks.peers.adapters import Files
from benchmarks.peers.fleet import ROOT, Fleet
from benchmarks.peers.measure import Measurement
from benchmarks.peers.models import model_directory
from benchmarks.peers.setups import Group, groups
from benchmarks.peers.summary import add_roof, roof_of
from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bundles.cache import cache_dir

PACKAGES = ("onnx", "onnxruntime", "funasr-onnx", "sherpa-onnx", "openvino", "nncf")


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _module(name: str, *arguments: object) -> str:
    """The output of a module of this package, run in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.peers.{name}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-3:]
        raise RuntimeError(f"benchmarks.peers.{name}: " + "; ".join(last))
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def rates() -> list[dict[str, Any]]:
    """Highest rates of matrix products, see ``roof``."""
    return list(json.loads(_module("roof", "rates")))


@contextlib.contextmanager
def _samples(items: Sequence[Clip]) -> Iterator[str]:
    """A file with the utterances, for modules that run in processes of their own."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file.name, **{item.name: item.samples for item in items})
        yield file.name


def counted(files: Files, items: list[Clip]) -> dict[str, Any]:
    """Operations of the utterances, see ``roof``."""
    with _samples(items) as file:
        return dict(json.loads(_module("roof", "flops", files.family, files.directory, file)))


def _onnx_profiles(
    files: Files, items: list[Clip], rows: list[dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Shares of ONNX Runtime's operators, see ``profile``."""
    found = {}
    with _samples(items[: max(8, len(items) // 2)]) as file:
        for one in rows:
            if one["library"] == "onnxruntime":
                where = (files.family, files.directory, files.exported, one["precision"], file)
                found[one["system"]] = dict(json.loads(_module("profile", *where)))
    return found


def highest(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of two measurements of the rates the higher ones."""
    keys = ("one_core", "all_cores")
    return [
        {**one, **{key: max(one[key], other[key]) for key in keys}}
        for one, other in zip(before, after, strict=True)
    ]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the demo model (default)")
    size.add_argument("--full", action="store_true", help="the full-size model")
    parser.add_argument("--model", choices=("paraformer", "sense-voice"), default="paraformer")
    parser.add_argument("--directory", type=Path, help="a FunASR model directory of your own")
    parser.add_argument("--rounds", type=int, help="with 16 callers; default 5, quick 1")
    parser.add_argument("--grid-rounds", type=int, default=1, help="with other numbers of callers")
    parser.add_argument("--grid", type=int, nargs="*", help="callers; default 1 4 64, quick none")
    parser.add_argument("--utterances", type=int, help="default 32, quick 8")
    parser.add_argument("--only", nargs="*", help="these libraries or lines")
    parser.add_argument("--no-tune", action="store_true", help="the first set-up of each library")
    parser.add_argument("--no-alone", action="store_true", help="no set-ups for a single caller")
    parser.add_argument("--no-profile", action="store_true", help="not where the time goes")
    parser.add_argument("--no-roof", action="store_true", help="neither rates nor operations")
    parser.add_argument(
        "--max-other-cpu", type=float, default=float("inf"), metavar="CORES",
        help="repeat a load during which other programs used more than that",
    )  # fmt: skip
    parser.add_argument("--results", type=Path, help="directory of the result")
    parser.add_argument("--exports", type=Path, help="directory of the ONNX files")
    return parser.parse_args(arguments)


def _is_wanted(group: Group, only: list[str] | None) -> bool:
    return not only or group.library in only or group.name in only


def _command(arguments: list[str]) -> str:
    """The command line without directories: results must not tell where they were made."""
    places = ("--results", "--exports", "--directory")
    kept, skip = [], False
    for one in arguments:
        if not skip and one not in places:
            kept.append(one)
        skip = one in places
    return shlex.join(["python", "-m", "benchmarks.peers", *kept])


def _audio(full: bool, count: int) -> tuple[str, list[Clip]]:
    if full:
        return long_clips(count)
    return "the demo's recordings", embedded_clips()[:count]


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything that is asked for; returns what is written to the result."""
    began = time.monotonic()
    full = bool(options.full)
    cores = len(os.sched_getaffinity(0))
    name, directory = model_directory(options.model, full, options.directory)
    exports = options.exports or cache_dir() / "benchmark-exports"
    files = Files(options.model, directory, exports / f"{options.model}-{directory.name}")
    kind, items = _audio(full, options.utterances or (32 if full else 8))
    audio_s = sum(item.seconds for item in items)
    wanted = [one for one in groups(cores) if _is_wanted(one, options.only)]

    def say(text: str) -> None:
        console.print(f"{(time.monotonic() - began) / 60:5.1f} min  {text}", highlight=False)

    say(f"{name}: {len(items)} utterances, {audio_s:.0f} s of {kind}")
    if {one.library for one in wanted} - {"safeasr", "funasr"}:
        try:
            _module("exported", files.family, files.directory, files.exported)
        except RuntimeError as error:
            say(f"no ONNX files: {error}")
    roof = not options.no_roof
    before = rates() if roof else []
    operations = counted(files, items) if roof else {}
    result: dict[str, Any] = {}
    with Fleet(files) as fleet:
        one = Measurement(fleet, wanted, items, say, options.max_other_cpu)
        one.prepare()
        result["tuning"], result["alone"] = one.explore(
            16,
            0 if options.no_tune else max(8, len(items) // 2),
            0 if options.no_alone else max(4, len(items) // 4),
            cores,
        )
        rounds = options.rounds or (5 if full else 1)
        loads = {16: one.rounds(rounds, 16)}
        grid = options.grid if options.grid is not None else ([1, 4, 64] if full else [])
        for callers in grid:
            # Few callers take long: half of the utterances show as much.
            count = len(items) if callers > 16 else len(items) // 2
            loads[callers] = one.rounds(options.grid_rounds, callers, max(1, count))
        if not options.no_profile:
            result["profile"] = one.profile(16, max(8, len(items) // 2))
        result["systems"] = one.rows(loads.pop(16), cores)
        result["grid"] = [row for taken in loads.values() for row in one.rows(taken, cores)]
        result["unavailable"] = one.unavailable
        result["notes"] = fleet.notes
        result["discarded_runs"], result["restarts"] = one.discarded, fleet.restarts
    if roof:
        found = highest(before, rates())
        result["rates"], result["operations"] = found, operations
        result["roof"] = roof_of(found, operations["gflop"], audio_s)
        add_roof([*result["systems"], *result["grid"]], result["roof"])
    if not options.no_profile:
        result["profile"] |= _onnx_profiles(files, items, result["systems"])
    facts = {
        "model": name,
        "family": options.model,
        "command": _command(sys.argv[1:]),
        "packages": _versions(),
        "audio": kind,
        "utterances": len(items),
        "audio_s": round(audio_s, 1),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    return {**facts, **result}


def main() -> None:
    """Measure, write, refresh the page."""
    options = parse()
    result = measure(options, Console(width=140))
    name = "peers" if options.model == "paraformer" else f"peers-{options.model}"
    folder = options.results or (RESULTS if options.full else RESULTS / "tmp")
    path = write_result(folder, name, **result)
    print(f"written: {path}")
    if options.full and not options.results:
        from benchmarks.report.page import PAGE, write_page
        from benchmarks.report.plots import IMAGES, plot_all

        plot_all(RESULTS, IMAGES)
        write_page(RESULTS, PAGE, IMAGES)


if __name__ == "__main__":
    main()
