"""The section of docs/performance.md on long recordings."""

from __future__ import annotations

from typing import Any

from benchmarks.report.tables import table


def recordings_section(result: dict[str, Any]) -> str:
    """A recording through all models, and recordings of hours."""
    rows = [
        (
            row["setup"],
            f"{row['rtfx']:.1f}",
            f"{row['times_funasr']:.1f}",
            f"{row['cpu_s_per_hour']:.0f}",
            f"{row['over_mb']}",
            f"{row['equal']} of {row['runs']}",
        )
        for row in result["rows"]
    ]
    header = (
        "",
        "RTFx",
        "times FunASR",
        "processor seconds for an hour",
        "MB over the models' own",
        "texts and sentences as FunASR's",
    )
    text = (
        "SeacoParaformer-large, FSMN-VAD, CT-Transformer and CAM++ at their published sizes, "
        "random weights: text, times, marks and speakers of a recording, one call at a time. "
        f"{result['seconds']:.0f} s of {result['audio']}, {result['rounds']} alternating rounds "
        f"(`python -m benchmarks.recordings`).\n\n{table(header, rows)}\n"
    )
    if "first_sentence_s" in result:
        text += (
            f"\n`generate_iter` on a file of {result['long_s'] / 3600:.0f} hours, int8, no "
            f"speakers: the first sentence is there after {result['first_sentence_s']:.1f} s."
        )
    if "hours_at_once" in result:
        told = "all the same" if result["hours_equal"] else "not all the same"
        text += (
            f"\n{result['hours_at_once']} recordings of an hour at once, int8, with speakers: "
            f"{result['hours_rtfx']:.1f} RTFx together, {result['hours_over_mb']} MB over the "
            f"models' own, {result['hours_sentences']} sentences each, {told}."
        )
    return text + "\n"
