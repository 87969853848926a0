"""The section of docs/performance.md on hotwords."""

from __future__ import annotations

from typing import Any

from benchmarks.report.tables import table


def hotwords_section(result: dict[str, Any]) -> str:
    """What lists of hotwords cost, and lists of each caller's own."""
    rows = [
        (row["setup"], f"{row['rtfx']:.1f}", f"{row['more_than_one_list_percent']:+.1f} %")
        for row in result["rows"]
    ]
    return (
        f"SeacoParaformer-large, float32, {result['threads']} callers, lists of "
        f"{result['words']} words, {result['audio']}, {result['rounds']} alternating rounds, "
        "medians (`python -m benchmarks.hotwords`).\n\n"
        f"{table(('', 'RTFx', 'time beside one list'), rows)}\n"
    )
