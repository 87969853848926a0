"""The section of docs/performance.md on safeasr beside FunASR, ONNX run-times and OpenVINO."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.tables import errors_text, table

#: Results of ``benchmarks.peers``, by file.
PEERS = ("peers", "peers-sense-voice")
Row = Mapping[str, Any]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.0f} %"


def _of_all(result: Row) -> list[Row]:
    return [*result["systems"], *result["grid"]]


def speed_table(rows: Sequence[Row]) -> str:
    """Throughput, what it costs, and how near it is to the roof."""
    header = (
        "",
        "set-up",
        "RTFx",
        "lowest to highest round",
        "share of its roof",
        "CPU s per audio hour",
        "peak MB",
        "of it serving",
        "texts as FunASR's",
        "characters that are not",
        "errors",
    )
    lines = [
        (
            one["system"],
            one["setup_text"],
            f"{one['rtfx']:.1f}",
            f"{one['rtfx_lowest']:.1f} to {one['rtfx_highest']:.1f}",
            _percent(one.get("share_of_roof")),
            f"{one['cpu_s_per_audio_hour']:.0f}",
            f"{one['peak_mb']:.0f}",
            f"{one['serving_mb']:.0f}",
            _percent(one["equal_texts"]),
            _percent(one.get("character_errors")),
            errors_text(one["errors"]),
        )
        for one in rows
    ]
    return table(header, lines)


def latency_table(result: Row) -> str:
    """p50, p95 and p99 at each number of callers."""
    rows = _of_all(result)
    numbers = sorted({one["callers"] for one in rows})
    cells = {(one["system"], one["callers"]): one for one in rows}

    def cell(system: str, callers: int) -> str:
        one = cells.get((system, callers))
        if one is None:
            return ""
        return " / ".join(f"{one[key]:.0f}" for key in ("p50_ms", "p95_ms", "p99_ms"))

    lines = [
        (system, *(cell(system, number) for number in numbers))
        for system in dict.fromkeys(one["system"] for one in rows)
    ]
    header = ("p50 / p95 / p99 ms", *(f"{n} caller{'s' if n > 1 else ''}" for n in numbers))
    return table(header, lines)


def callers_table(result: Row) -> str:
    """RTFx at each number of callers."""
    rows = _of_all(result)
    numbers = sorted({one["callers"] for one in rows})
    cells = {(one["system"], one["callers"]): f"{one['rtfx']:.1f}" for one in rows}
    lines = [
        (system, *(cells.get((system, number), "") for number in numbers))
        for system in dict.fromkeys(one["system"] for one in rows)
    ]
    header = ("RTFx", *(f"{n} caller{'s' if n > 1 else ''}" for n in numbers))
    return table(header, lines)


def alone_table(rows: Sequence[Row]) -> str:
    """A single caller, each library set up for it."""
    lines = [
        (
            one["system"],
            one["setup_text"],
            f"{one['rtfx']:.1f}",
            f"{one['p50_ms']:.0f}",
            f"{one['p95_ms']:.0f}",
            f"{one['cpu_s_per_audio_hour']:.0f}",
        )
        for one in rows
        if one["chosen"]
    ]
    header = ("", "set-up", "RTFx", "p50 ms", "p95 ms", "CPU s per audio hour")
    return table(header, lines)


def tuning_table(rows: Sequence[Row]) -> str:
    """Every set-up that was tried."""
    lines = [
        (
            one["system"],
            one["setup_text"],
            f"**{one['rtfx']:.1f}**" if one["chosen"] else f"{one['rtfx']:.1f}",
            f"{one['mean_batch']:.1f}",
        )
        for one in rows
    ]
    return table(("", "set-up", "RTFx", "utterances a call"), lines)


def roof_text(result: Row) -> str:
    """What the cores could do."""
    operations, roof = result["operations"], result["roof"]
    per_second = operations["gflop"] / result["audio_s"]
    lines = [
        (
            precision,
            f"{one['one_core_gflops']:.0f}",
            f"{one['all_cores_gflops']:.0f}",
            f"{one['one_core_rtfx']:.0f}",
            f"{one['all_cores_rtfx']:.0f}",
        )
        for precision, one in roof.items()
    ]
    header = (
        "",
        "GFLOP/s, one core",
        "GFLOP/s, all cores",
        "roof in RTFx, one core",
        "roof in RTFx, all cores",
    )
    return (
        f"A second of this audio costs {per_second:.2f} GFLOP of matrix products and convolutions "
        f"({operations['parameters'] / 1e6:.0f} M parameters), counted call by call. A linear "
        "layer of 512 x 2048 on 93 and 744 rows, its weights packed by oneDNN, measured before and "
        "after the systems, the best of all windows; a multiplication and an addition of int8 "
        f"count as two operations too:\n\n{table(header, lines)}\n\n"
        "The roof supposes that all products run at the highest of these rates and that nothing "
        "else takes time.\n"
    )


def rest_table(rows: Sequence[Row]) -> str:
    """Where the time of the cores goes that is not products at the highest rate."""
    lines = [
        (
            one["system"],
            _percent(one["share_of_roof"]),
            _percent(one["other_work"]),
            _percent(one["idle"]),
        )
        for one in rows
        if "share_of_roof" in one
    ]
    return table(("", "products at the highest rate", "other work", "idle"), lines)


def _left_out(result: Row) -> str:
    text = ""
    if result["unavailable"]:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in result["unavailable"].items())
        text = f"Not measured: {reasons}.\n\n"
    notes = dict.fromkeys(note for notes in result["notes"].values() for note in notes)
    return text + "".join(f"Note: {note}.\n\n" for note in notes)


def peers_section(result: Row, name: str, page: Path, images: Path) -> str:
    """Everything about one model."""
    image = os.path.relpath(images / f"{name}.png", page.parent)
    busiest = max((one["other_cpu_highest"] for one in _of_all(result)), default=0.0)
    packages = ", ".join(f"{package} {version}" for package, version in result["packages"].items())
    rounds = result["systems"][0]["rounds"] if result["systems"] else 0
    parts = [
        f"### {result['model']}\n",
        f"`{result['command']}`: {rounds} round{'s' if rounds != 1 else ''} with 16 callers, "
        f"{result['audio_s']} s of {result['audio']} ({result['utterances']} utterances) in "
        f"each; {packages}. Other programs used at most {busiest:.2f} cores during a load; "
        f"{result['discarded_runs']} loads were repeated because they used too much.\n",
        speed_table(result["systems"]) + "\n",
        _left_out(result) + f"![{result['model']}]({image})\n",
    ]
    if result["grid"]:
        parts += [latency_table(result) + "\n", callers_table(result) + "\n"]
    if result.get("alone"):
        parts += [
            "A single caller, each library in the set-up that answers it soonest:\n",
            alone_table(result["alone"]) + "\n",
        ]
    if result.get("roof"):
        parts += [roof_text(result), "The time of all cores, with 16 callers:\n"]
        parts += [rest_table(result["systems"]) + "\n"]
    if result.get("profile"):
        parts += ["Processor time by what it was spent in (`perf`):\n"]
        parts += [profile_table(result["profile"]) + "\n"]
    if result.get("tuning"):
        parts += [
            "<details><summary>The set-ups that were tried, with 16 callers</summary>\n",
            tuning_table(result["tuning"]) + "\n\n</details>\n",
        ]
    return "\n".join(parts)


def profile_table(profiles: Mapping[str, Mapping[str, float]]) -> str:
    """Shares of processor time by kind of work."""
    kinds = sorted(
        {kind for shares in profiles.values() for kind in shares},
        key=lambda kind: -sum(shares.get(kind, 0.0) for shares in profiles.values()),
    )
    lines = [
        (system, *(_percent(shares.get(kind, 0.0)) for kind in kinds))
        for system, shares in profiles.items()
    ]
    return table(("", *kinds), lines)


INTRODUCTION = (
    "Libraries that run these weights on a CPU, from the same callers on the same audio. safeasr "
    "runs with its defaults, but for the precision. Each of the other libraries is compared in its "
    "fastest set-up of those that were tried first; with `--no-tune` that is one, the fastest of "
    "earlier runs. Where a library takes lists, or gets "
    "slower from more threads, a queue stands before it that serves it best: as many calls at a "
    "time as the set-up says, utterances of like length together. The ONNX files are FunASR's own "
    "exports, the int8 ones with `quantize=True`; funasr_onnx, sherpa-onnx and ONNX Runtime run "
    "the same ones. OpenVINO runs the float32 ONNX file; with its hint for bfloat16, sums over "
    "frames in the predictor are kept in float32, because rounding them changes most tokens. NNCF "
    "makes its int8 networks: `calibrated` has int8 weights and inputs in all linear layers, the "
    "ranges of the inputs found on eight utterances; in `weights` only weights are int8, and "
    "OpenVINO converts inputs as it runs. Memory is that of the process and its children, since "
    "the start and while serving; latencies are of the calls of all rounds together. Texts are "
    "compared without spaces, case and tags.\n\n"
    "FunASR's runtime for llama.cpp (GGUF) is not here, for no package brings it: neither wheel "
    "nor source archive of funasr 1.4.16 has it, and none of the packages found under funasr, "
    "paraformer, sensevoice, ggml, gguf and llama.cpp is it (crispasr runs Paraformer on ggml too, "
    "from files in a layout of its own).\n"
)
