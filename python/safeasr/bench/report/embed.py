"""A report as JSON inside a page: the time lines by columns, which takes a quarter of the room."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from typing import Any

from safeasr.bench.findings.report_file import report_from
from safeasr.bench.findings.results import Report, Second

__all__ = ["extract", "script_safe", "to_json"]

#: Of the element that holds it.
_ELEMENT = re.compile(r'<script type="application/json" id="report">(.*?)</script>', re.DOTALL)
_PLAIN = [field.name for field in fields(Second) if field.name not in ("cores", "target")]


def to_json(report: Report) -> str:
    """The report as JSON that has `seconds` of a run as a dict of lists.

    Columns without any value are left out; all else is as
    :func:`safeasr.bench.findings.results.write_report` writes it.
    A value that is no finite number becomes null: JSON knows none.
    """
    found = _finite(asdict(report))
    for run in found["runs"]:
        run["seconds"] = _columns(run["seconds"])
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def script_safe(text: str) -> str:
    """JSON that may stand within a script element: nothing in it ends the element or begins markup.

    It is the same JSON still: these characters only stand in strings, as escapes.
    """
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    # Halves of characters, which a damaged answer may hold, could not be written as UTF-8.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def extract(page: str, name: str) -> Report:
    """The report that a page holds; its time lines are as thin as the page's.

    Args:
        page: the whole HTML.
        name: of the file, for messages.

    Raises:
        ValueError: the page holds none.
    """
    match = _ELEMENT.search(page)
    if match is None:
        raise ValueError(f"{name} is no page of safeasr bench")
    try:
        found = json.loads(match[1])
        for run in found["runs"]:
            run["seconds"] = _rows(run["seconds"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{name} is no page of safeasr bench: its report is damaged") from error
    return report_from(found, name)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    # Environments are somebody else's: a path or a numpy number is text here.
    return value if value is None or isinstance(value, (str, int)) else str(value)


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in _PLAIN}
    columns = {
        name: column for name, column in columns.items() if any(v is not None for v in column)
    }
    wide = max((len(row["cores"]) for row in rows), default=0)
    columns["cores"] = [
        [row["cores"][i] if i < len(row["cores"]) else None for row in rows] for i in range(wide)
    ]
    names = dict.fromkeys(name for row in rows for name in row["target"])
    columns["target"] = {name: [row["target"].get(name) for row in rows] for name in names}
    return columns


def _rows(columns: dict[str, Any]) -> list[dict[str, Any]]:
    plain = {name: columns[name] for name in _PLAIN if name in columns}
    cores, gauges = columns.get("cores", []), columns.get("target", {})
    return [
        {name: column[at] for name, column in plain.items()}
        | {"cores": [core[at] for core in cores if core[at] is not None]}
        | {"target": {name: v[at] for name, v in gauges.items() if v[at] is not None}}
        for at in range(len(columns.get("t", [])))
    ]
