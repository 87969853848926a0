"""The section of docs/performance.md on emotion recognition."""

from __future__ import annotations

from typing import Any

from benchmarks.report.tables import table


def emotion_section(result: dict[str, Any]) -> str:
    """What emotion2vec costs, beside FunASR's best."""
    rows = [
        (
            row["setup"],
            f"{row['core_s_per_s']:.3f}",
            f"{row['lowest']:.3f} to {row['highest']:.3f}",
            f"{row['ratio_to_best_funasr']:.2f}",
            f"{row['share_of_roof_percent']} %",
            f"{row['rtfx']:.1f}",
        )
        for row in result["rows"]
    ]
    roofs = ", ".join(f"{name} {value:.0f}" for name, value in result["roof_gflops"].items())
    header = (
        "",
        "s of a core for a second of audio",
        "lowest to highest round",
        "ratio to FunASR's best",
        "share of its roof",
        "RTFx",
    )
    command = (
        f"python -m benchmarks.emotion --rounds {result['rounds']} "
        f"--utterances {result['utterances']}"
    )
    return (
        f"emotion2vec of base size (94 M, random weights), {result['utterances']} utterances of "
        f"2 to 10 s, {result['audio']}, {result['rounds']} alternating rounds in one process, "
        f"medians (`{command}`). A second of audio asks for {result['gflop_per_s']:.1f} GFLOP; the "
        f"roof is what a core multiplies in a second of its time (GFLOP: {roofs}). Ratios are of "
        "the processor's time; RTFx depends on what else runs, and other programs did.\n\n"
        f"{table(header, rows)}\n"
    )
