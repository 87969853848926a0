"""Reports as JSON files."""

from __future__ import annotations

import functools
import json
import types
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from safeasr.bench.findings.results import FORMAT, Report

__all__ = ["read_report", "report_from", "write_report"]


_PLAIN: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), dict: (dict,), list: (list,)}
_NAMES: dict[Any, str] = {
    str: "a text", bool: "true or false", dict: "an object", list: "a list",
    int: "a number", float: "a number",
}  # fmt: skip


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)  # slow, and a report has thousands of seconds


def _made(kind: Any, value: Any, where: str) -> Any:
    """What JSON gave as the type that a field has: dataclasses, lists of them, plain values.

    Raises:
        ValueError: it is something else.
    """
    if get_origin(kind) in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    if kind is Any:
        return value
    if is_dataclass(kind) and isinstance(kind, type):
        return _made_dataclass(kind, value, where)
    plain = get_origin(kind) or kind
    if plain in (int, float):
        # A page has null for what is no finite number, and means where there were counts.
        fits = value is None or isinstance(value, (int, float))
    else:
        fits = isinstance(value, _PLAIN[plain])
    if not fits:
        raise ValueError(f"{where} should be {_NAMES[plain]}, and is {value!r:.60}")
    if plain is list and get_args(kind):
        (inner,) = get_args(kind)
        return [_made(inner, one, f"{where}[{number}]") for number, one in enumerate(value)]
    return value


def _made_dataclass(kind: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'it'} should be an object, and is {value!r:.60}")
    hashable: Any = kind  # as types are, which mypy does not know of this one
    hints = _hints(hashable)
    found = {}
    for one in fields(kind):
        if one.name in value:
            name = f"{where}.{one.name}" if where else one.name
            found[one.name] = _made(hints[one.name], value[one.name], name)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{where or 'it'} has no {one.name}")
    return kind(**found)


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
    version = found.get("format", 0)
    if isinstance(version, int) and version > FORMAT:
        raise ValueError(f"{name} was written by a newer safeasr")
    try:
        report: Report = _made_dataclass(Report, found, "")
    except ValueError as error:
        raise ValueError(f"{name} is no report of safeasr bench: {error}") from None
    return report
