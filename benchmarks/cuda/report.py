"""The one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report.tables import table


def rows_of(step: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What a step found and checked, and how it ended."""
    rows = [(str(what), str(value), str(remark)) for what, value, remark in step.get("rows", [])]
    if "not_here" in step:
        rows.append(("not run here", "-", str(step["not_here"])))
    if step["status"] != "done":
        rows.append(("the step", f"**{step['status'].upper()}**", str(step.get("reason", ""))))
    return rows


def failures(steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Checks that do not hold, and steps that did not end well."""
    found = [name for name, step in steps.items() if step["status"] not in ("done", "not begun")]
    for name, step in steps.items():
        found += [f"{name}: {what}" for what, held, _ in step.get("checks", []) if not held]
    return found


def page(steps: Mapping[str, Mapping[str, Any]]) -> str:
    """Everything as one Markdown table."""
    rows: list[tuple[str, str, str, str]] = []
    for name, step in steps.items():
        for place, row in enumerate(rows_of(step)):
            first = f"{name} ({step.get('took_s', 0):.0f} s)" if place == 0 else ""
            cells = (one.replace("|", "/").replace("\n", " ") for one in row)
            rows.append((first, *cells))
    return table(("step", "what", "found", "beside"), rows)
