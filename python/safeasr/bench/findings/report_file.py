"""Reports as JSON files."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from safeasr.bench.findings.results import FORMAT, Report

__all__ = ["read_report", "report_from", "write_report"]


def _made(kind: Any, value: Any) -> Any:
    """A dataclass, or a list of them, from what JSON gave."""
    if value is None:
        return None
    inner = [arg for arg in (kind, *get_args(kind)) if is_dataclass(arg)]
    if not inner:
        return value
    if isinstance(value, list):
        return [_made(inner[0], one) for one in value]
    hints = get_type_hints(inner[0])
    known = {f.name for f in fields(inner[0])}
    return inner[0](**{k: _made(hints[k], v) for k, v in value.items() if k in known})  # type: ignore[operator]


def write_report(report: Report, path: Path) -> None:
    """Write it as JSON."""
    path.write_text(json.dumps(asdict(report), ensure_ascii=False) + "\n", encoding="utf-8")


def read_report(path: Path) -> Report:
    """Read what :func:`write_report` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such report, or a newer safeasr's.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no report of safeasr bench: {error}") from error
    return report_from(found, str(path))


def report_from(found: Any, name: str) -> Report:
    """A report from what its JSON says; `name` is the file's, for messages.

    Raises:
        ValueError: it is no such report, or a newer safeasr's.
    """
    if not isinstance(found, dict) or "runs" not in found:
        raise ValueError(f"{name} is no report of safeasr bench")
    if found.get("format", 0) > FORMAT:
        raise ValueError(f"{name} was written by a newer safeasr")
    report: Report = _made(Report, found)
    return report
