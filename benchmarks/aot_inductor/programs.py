"""Programs of the encoder to measure: ours, and AOTInductor's packages. Each step is a process.

    python -m benchmarks.aot_inductor.programs make NAME PRECISION BLOCKS FILE
    python -m benchmarks.aot_inductor.programs load NAME PRECISION FILE
    python -m benchmarks.aot_inductor.programs speed NAME FILE
    python -m benchmarks.aot_inductor.programs race PRECISION ROUNDS NAME=FILE...

Each prints one line of JSON. NAME: "torchscript", or "<writing>" and "<writing>-template" for
AOTInductor, the latter with its own matrix kernels instead of oneDNN's.
"""

from __future__ import annotations

import functools
import json
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._inductor.package import load_package  # type: ignore[attr-defined]

from benchmarks.aot_inductor.networks import (
    FEATURES,
    Batch,
    encoder,
    exported,
    load_operators,
    ragged,
)
from safeasr import _ext
from safeasr.bundles.program import save_program

#: An utterance of 5 s and one of 10, two and four of 9.6 s.
BATCHES = (Batch(1, 84), Batch(1, 168), Batch(2, 160), Batch(4, 160))
#: Utterances that keep a row company; the engine pads their sum to a multiple of 8.
COMPANY = (41, 88, 130, 7, 64)
#: Where operators' time goes, by words in their names.
PARTS = (
    ("linear_pointwise", "linear layers"),
    ("attention", "attention"),
    ("memory", "memory"),
    ("norm", "norms and sums"),
    ("aten::add", "norms and sums"),
)
PROFILES = 5
Outputs = tuple[Tensor, ...]
Program = Callable[[Batch], Outputs]
SETTINGS: dict[str, Any] = {
    "freezing": True,  # and with it oneDNN's weight layouts
    "cpp.threads": 1,
    "cpp.enable_floating_point_contract_flag": "fast",
}
TEMPLATE: dict[str, Any] = {"max_autotune": True, "max_autotune_gemm_backends": "CPP"}


def memory_mb() -> dict[str, int]:
    """Resident memory now, and what of it is no file's."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) // 1000 for name in ("VmRSS", "RssAnon")}


def make(name: str, precision: str, blocks: int, file: Path) -> dict[str, Any]:
    """Export and compile."""
    network = encoder(precision, blocks)
    began = time.perf_counter()
    if name == "torchscript":
        save_program(network, file)
    else:
        writing, _, template = name.partition("-")
        with torch.no_grad():
            torch._inductor.aoti_compile_and_package(
                exported(network, writing),
                package_path=str(file),
                inductor_configs={**SETTINGS, **(TEMPLATE if template else {})},
            )
    return {
        "make_s": round(time.perf_counter() - began, 1),
        "make_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000,
        "file_mb": round(file.stat().st_size / 1e6),
    }


def opened(name: str, file: str, runners: int = 1) -> Callable[..., Outputs]:
    """A function of the network's inputs. Values go in and out by copies, as arrays do."""
    if name == "torchscript":
        program = _ext.Program.load(file)

        def run(*inputs: Tensor) -> Outputs:
            return tuple(map(torch.from_numpy, program.run([one.numpy() for one in inputs])))

        return run
    if not name.startswith("plain"):
        load_operators()
    package = load_package(file, num_runners=runners)

    def run_package(*inputs: Tensor) -> Outputs:
        with torch.inference_mode():
            return tuple(one.clone() for one in package(*(one.clone() for one in inputs)))

    return run_package


def on_batch(name: str, run: Callable[..., Outputs]) -> Program:
    """The function of a batch of utterances of one length."""
    if name.startswith("plain"):
        features = functools.cache(Batch.features)
        return lambda batch: tuple(one.flatten(0, 1) for one in run(features(batch)))
    rows = functools.cache(Batch.ragged)
    return lambda batch: run(*rows(batch))


def flop(batch: Batch) -> float:
    """Of the full-size encoder: matrix products of layers and of attention."""
    rows = batch.utterances * batch.rows
    layer = 512 * 1536 + 512 * 512 + 2 * 512 * 2048
    weights = 50 * layer + (FEATURES - 512) * 1536 + 3 * 512 * 512 + 512
    return 2.0 * rows * (weights + 50 * 2 * 512 * batch.rows)


def timed(program: Program, batch: Batch) -> float:
    """Seconds of this thread's core, which does all the work: what else runs takes no part."""
    began = time.thread_time()
    program(batch)
    return time.thread_time() - began


def load(name: str, file: str) -> dict[str, Any]:
    """Seconds to load, memory, and what a second thread adds."""
    if not name.startswith(("plain", "torchscript")):
        load_operators()
    before = memory_mb()
    began = time.perf_counter()
    run = opened(name, file, runners=2)
    seconds = time.perf_counter() - began
    program, batch = on_batch(name, run), BATCHES[1]
    program(batch)
    alone = memory_mb()
    threads = [threading.Thread(target=program, args=(batch,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = memory_mb()
    return {
        "load_s": round(seconds, 2),
        "resident_mb": alone["VmRSS"] - before["VmRSS"],
        "private_mb": alone["RssAnon"] - before["RssAnon"],
        "resident_two_threads_mb": both["VmRSS"] - before["VmRSS"],
        "load_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
        - before["VmRSS"],
    }


def speed(name: str, file: str) -> dict[str, Any]:
    """Milliseconds of a batch; whatever the processor is told to be."""
    program, batch = on_batch(name, opened(name, file)), BATCHES[1]
    program(batch)
    return {"ms": round(1e3 * statistics.median(timed(program, batch) for _ in range(5)), 1)}


def same_bits(name: str, run: Callable[..., Outputs]) -> dict[str, Any]:
    """Whether rows are the same bits alone and in company, and how far apart they are."""
    generator = torch.Generator().manual_seed(5)
    features = [torch.randn(count, FEATURES, generator=generator) for count in COMPANY]
    pairs: list[tuple[Tensor, Tensor]] = []
    if name.startswith("plain"):
        # Company of one length: it takes no other.
        same = torch.randn(5, 41, FEATURES, generator=generator)
        for place, one in enumerate(run(same)[0]):
            pairs.append((one, run(same[place : place + 1])[0][0]))
    else:
        cut = run(*ragged(features, 8))[0].split([*COMPANY, -sum(COMPANY) % 8])
        for one, found in zip(features, cut, strict=False):
            pairs.append((found, run(*ragged([one], 8))[0][: len(one)]))
    return {
        "same_bits": all(torch.equal(*pair) for pair in pairs),
        "largest_difference": max(float((a - b).abs().max()) for a, b in pairs),
    }


def shares(program: Program, batch: Batch) -> dict[str, float]:
    """Parts of the time by torch's profiler, the medians of several runs.

    It sees operators that go through the dispatcher: all of a TorchScript program's, and of a
    package those that Inductor did not compile or bind itself.
    """
    found: dict[str, list[float]] = {part: [] for part in dict(PARTS).values()}
    for _ in range(PROFILES):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            began = time.perf_counter()
            program(batch)
            seconds = time.perf_counter() - began
        sums = dict.fromkeys(found, 0.0)
        for event in profile.key_averages():
            part = next((part for word, part in PARTS if word in event.key), None)
            if part is not None and not event.key.startswith("safeasr_aot"):
                sums[part] += event.self_cpu_time_total / 1e6 / seconds
        for part, share in sums.items():
            found[part].append(share)
    return {part: round(statistics.median(values), 4) for part, values in found.items()}


def race(precision: str, rounds: int, files: dict[str, str]) -> dict[str, Any]:
    """Everything in one process, in turns: medians of seconds for each batch."""
    exact = encoder(precision, 50)
    runs = {name: opened(name, file) for name, file in files.items()}
    programs = {name: on_batch(name, run) for name, run in runs.items()}
    rows = []
    for batch in BATCHES:
        for program in programs.values():
            program(batch)
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, program in programs.items():
                times[name].append(timed(program, batch))
        for name, seconds in times.items():
            median = statistics.median(seconds)
            pairs = zip(times["torchscript"], seconds, strict=True)
            rows.append(
                {
                    "program": name,
                    "precision": precision,
                    "utterances": batch.utterances,
                    "rows": batch.utterances * batch.rows,
                    "ms": round(1e3 * median, 1),
                    "lowest_ms": round(1e3 * min(seconds), 1),
                    "highest_ms": round(1e3 * max(seconds), 1),
                    "gflops": round(flop(batch) / median / 1e9, 1),
                    "speed_beside_ours": round(statistics.median(a / b for a, b in pairs), 3),
                }
            )
    facts = []
    with torch.inference_mode():
        wanted = exact(*BATCHES[0].ragged())[0]
    for name, run in runs.items():
        found = programs[name](BATCHES[0])[0]
        facts.append(
            {
                "program": name,
                "precision": precision,
                **same_bits(name, run),
                "error": float((found - wanted).norm() / wanted.norm()),
                "shares": shares(programs[name], BATCHES[2]),
            }
        )
    return {"speeds": rows, "facts": facts}


def main(arguments: list[str]) -> None:
    """Run one step."""
    torch.set_num_threads(1)
    step, *rest = arguments
    if step == "make":
        result = make(rest[0], rest[1], int(rest[2]), Path(rest[3]))
    elif step == "load":
        result = load(rest[0], rest[1])
    elif step == "speed":
        result = speed(rest[0], rest[1])
    else:
        result = race(rest[0], int(rest[1]), dict(one.split("=", 1) for one in rest[2:]))
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
