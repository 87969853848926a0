"""Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = [
        "| " + " | ".join(header) + " |",
        "|" + "|".join([":--", *["--:"] * (len(header) - 1)]) + "|",
    ]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def errors_text(errors: Mapping[str, int]) -> str:
    """Numbers and kinds of errors; "0" for none."""
    return ", ".join(f"{number} {kind}" for kind, number in errors.items()) or "0"
