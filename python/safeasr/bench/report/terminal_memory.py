"""How the memory of targets grew, in the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from safeasr.bench.findings.results import Report
from safeasr.bench.report.words import shown

__all__ = ["memory_lines"]


def memory_lines(report: Report) -> list[RenderableType]:
    """One line for each run that was long enough to tell, loud where memory surely grew."""
    lines: list[RenderableType] = []
    for run in report.runs:
        if not run.memory_slope_mb_h:
            continue
        slope, low, high = run.memory_slope_mb_h
        line = Text(f"{shown(run.target, 60)}, {shown(run.load.get('label', ''), 40)}: ")
        line.append(f"{slope:+,.0f} MB/h", style="bold red" if low > 0 else "")
        line.append(f" ({low:+,.0f} to {high:+,.0f})", style="dim")
        lines.append(line)
    return lines
