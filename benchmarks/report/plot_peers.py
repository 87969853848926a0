"""The figure of the comparison with FunASR, the ONNX run-times and OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

COLORS = {
    "safeasr": "#0072b2",
    "funasr": "#d55e00",
    "funasr_onnx": "#e69f00",
    "onnxruntime": "#009e73",
    "sherpa_onnx": "#cc79a7",
    "openvino": "#56b4e9",
}
STYLES = {"float32": "-", "bf16": ":", "int8": "--"}


def _bars(axes: Any, rows: list[dict[str, Any]], roof: dict[str, Any]) -> None:
    names = [one["system"] for one in rows][::-1]
    values = [one["rtfx"] for one in rows][::-1]
    low = [one["rtfx"] - one["rtfx_lowest"] for one in rows][::-1]
    high = [one["rtfx_highest"] - one["rtfx"] for one in rows][::-1]
    colors = [COLORS[one["library"]] for one in rows][::-1]
    axes.barh(names, values, xerr=[low, high], color=colors, ecolor="#444444", capsize=3)
    for place, (value, up) in enumerate(zip(values, high, strict=True)):
        axes.text(value + up, place, f"  {value:.1f}", va="center", fontsize=8)
    # The roof of the precision of each system, over its own bar.
    for place, one in enumerate(rows[::-1]):
        if limit := roof.get(one["precision"]):
            edge = limit["all_cores_rtfx"]
            axes.plot([edge, edge], [place - 0.42, place + 0.42], color="#000000", linewidth=1.5)
    axes.set_xlabel("RTFx with 16 callers; black: the roof of the precision")
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)


def _rest(axes: Any, rows: list[dict[str, Any]]) -> None:
    rows = rows[::-1]
    left = [0.0] * len(rows)
    places = range(len(rows))
    kinds = (
        ("share_of_roof", "products at the highest rate", "#0072b2"),
        ("other_work", "other work", "#e69f00"),
        ("idle", "idle", "#dddddd"),
    )
    for key, label, color in kinds:
        shares = [100 * one.get(key, 0.0) for one in rows]
        axes.barh(places, shares, left=left, color=color, label=label)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    axes.set_yticks([])
    axes.set_xlim(0, 100)
    axes.set_xlabel("time of all cores, %")
    axes.legend(frameon=False, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _latency(axes: Any, rows: list[dict[str, Any]]) -> None:
    for name in dict.fromkeys(one["system"] for one in rows):
        mine = sorted((r for r in rows if r["system"] == name), key=_callers)
        axes.plot(
            [one["callers"] for one in mine],
            [one["p95_ms"] for one in mine],
            label=name,
            color=COLORS[mine[0]["library"]],
            linestyle=STYLES[mine[0]["precision"]],
            marker="os^Dv"[_marker(name, rows)],
            markersize=4,
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_yscale("log")
    axes.set_xlabel("callers")
    axes.set_ylabel("latency p95 (ms)")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _marker(name: str, rows: list[dict[str, Any]]) -> int:
    """A small number that tells the systems of one library and precision apart."""
    one = next(row for row in rows if row["system"] == name)
    kind = (one["library"], one["precision"])
    like = [r["system"] for r in rows if (r["library"], r["precision"]) == kind]
    return list(dict.fromkeys(like)).index(name) % 5


def _callers(row: dict[str, Any]) -> int:
    return int(row["callers"])


def plot_peers(result: dict[str, Any], out: Path) -> None:
    """Throughput with the roof, where the time goes, and latency over the number of callers."""
    rows = result["systems"]
    if not rows:
        return
    tall = 0.34 * len(rows) + 1.6
    grid = bool(result["grid"])
    figure = plt.figure(figsize=(10, tall + (3.8 if grid else 0)), layout="constrained")
    spec = figure.add_gridspec(
        2 if grid else 1,
        2,
        width_ratios=(3, 2),
        height_ratios=(tall, 3.8) if grid else None,
    )
    _bars(figure.add_subplot(spec[0, 0]), rows, result.get("roof", {}))
    _rest(figure.add_subplot(spec[0, 1]), rows)
    if grid:
        _latency(figure.add_subplot(spec[1, :]), [*rows, *result["grid"]])
    facts = result["machine"]
    figure.suptitle(
        f"{result['model']}\n{facts['cores']} cores, {facts['cpu']}, torch {facts['torch']}",
        fontsize=9,
    )
    figure.savefig(out, dpi=150)
    plt.close(figure)
