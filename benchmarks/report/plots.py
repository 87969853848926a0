"""Figures of the results, drawn with matplotlib.

python -m benchmarks.report.plots [--results DIR] [--images DIR]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from benchmarks.common.facts import RESULTS
from benchmarks.report.peers import PEERS
from benchmarks.report.plot_peers import plot_peers

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
STYLE = {
    "safeasr": ("safeasr", "#0072b2", "o"),
    "funasr": ("FunASR as it is", "#d55e00", "s"),
    "funasr_locked": ("FunASR behind a lock", "#999999", "^"),
}


def read(folder: Path, name: str) -> dict[str, Any] | None:
    """A result, or None if it was not taken."""
    path = folder / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _machine(result: dict[str, Any]) -> str:
    facts = result["machine"]
    return f"{facts['cores']} cores, {facts['cpu']}, torch {facts['torch']}"


def plot_scaling(result: dict[str, Any], model: str, out: Path) -> None:
    """RTFx and p95 latency over the number of calling threads."""
    rows = [row for row in result["rows"] if row["model"] == model]
    if not rows:
        return
    figure, (speed, latency) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for system, (label, color, marker) in STYLE.items():
        mine = sorted((r for r in rows if r["system"] == system), key=lambda r: r["threads"])
        threads = [r["threads"] for r in mine]
        look = {"label": label, "color": color, "marker": marker, "markersize": 5}
        speed.plot(threads, [r["rtfx"] for r in mine], **look)
        latency.plot(threads, [r["p95_ms"] for r in mine], **look)
    for axes in (speed, latency):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.set_xlabel("calling threads")
        axes.grid(visible=True, alpha=0.3)
    speed.set_ylim(bottom=0)
    speed.set_ylabel("RTFx (audio s / wall s)")
    latency.set_yscale("log")
    latency.set_ylabel("latency p95 (ms)")
    speed.legend(frameon=False)
    figure.suptitle(f"{model}: one model, many threads\n{_machine(result)}", fontsize=9)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def plot_live(result: dict[str, Any], out: Path) -> None:
    """p95 latency over the number of live sessions."""
    figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
    looks = (("#0072b2", "o"), ("#56b4e9", "v"), ("#d55e00", "s"), ("#999999", "^"))
    names = list(dict.fromkeys(row["system"] for row in result["rows"]))
    for name, (color, marker) in zip(names, looks, strict=False):
        mine = sorted((r for r in result["rows"] if r["system"] == name), key=_sessions)
        axes.plot(
            [r["sessions"] for r in mine],
            [r["p95_ms"] for r in mine],
            label=name,
            color=color,
            marker=marker,
            markersize=5,
        )
    for limit in (300, 600):
        axes.axhline(limit, color="#444444", linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_xlabel("live sessions")
    axes.set_ylabel("end of chunk to its text, p95 (ms)")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    axes.set_title(f"{result['model']}\n{_machine(result)}", fontsize=9)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def _sessions(row: dict[str, Any]) -> int:
    return int(row["sessions"])


def plot_compare(result: dict[str, Any], out: Path) -> None:
    """A bar for each set-up; the line goes from the slowest to the fastest round."""
    systems = result["systems"]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(systems) + 1.4), layout="constrained")
    names = [one["system"] for one in systems][::-1]
    values = [one["rtfx"] for one in systems][::-1]
    low = [one["rtfx"] - one["rtfx_lowest"] for one in systems][::-1]
    high = [one["rtfx_highest"] - one["rtfx"] for one in systems][::-1]
    colors = ["#0072b2" if name.startswith("safeasr") else "#d55e00" for name in names]
    axes.barh(names, values, xerr=[low, high], color=colors, ecolor="#444444", capsize=3)
    for place, (value, up) in enumerate(zip(values, high, strict=True)):
        axes.text(value + up, place, f"  {value:.1f}", va="center", fontsize=9)
    axes.set_xlabel("RTFx (audio s / wall s), median of rounds")
    axes.set_xlim(0, 1.15 * max(v + u for v, u in zip(values, high, strict=True)))
    axes.set_title(f"{result['model']}\n{_machine(result)}", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=150)
    plt.close(figure)


def plot_all(folder: Path, images: Path) -> list[Path]:
    """Draw what there are results for; returns the files."""
    images.mkdir(parents=True, exist_ok=True)
    made = []
    if (scaling := read(folder, "scaling")) is not None:
        for model in sorted({row["model"] for row in scaling["rows"]}):
            made.append(images / f"scaling-{model.lower()}.png")
            plot_scaling(scaling, model, made[-1])
    for name in ("compare-demo", "compare-full"):
        if (result := read(folder, name)) is not None:
            made.append(images / f"{name}.png")
            plot_compare(result, made[-1])
    for name in PEERS:
        if (result := read(folder, name)) is not None and result["systems"]:
            made.append(images / f"{name}.png")
            plot_peers(result, made[-1])
    if (live := read(folder, "live")) is not None:
        made.append(images / "live.png")
        plot_live(live, made[-1])
    return made


def main() -> None:
    """Draw all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--images", type=Path, default=IMAGES)
    arguments = parser.parse_args()
    for path in plot_all(arguments.results, arguments.images):
        print(path)


if __name__ == "__main__":
    main()
