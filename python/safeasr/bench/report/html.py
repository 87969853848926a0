"""The page: one HTML file that needs nothing else, neither network nor server."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from importlib.resources import files
from pathlib import Path

from safeasr.bench.findings.results import Report
from safeasr.bench.report.embed import extract, script_safe, to_json
from safeasr.bench.report.thin import thin

__all__ = ["read_html", "render_html", "write_html"]

# In this order: each uses the ones before it.
_SCRIPTS = (
    "basics.js",
    "chart.js",
    "summary.js",
    "curves.js",
    "timeline.js",
    "failures.js",
    "main.js",
)
_STYLES = ("page.css", "charts.css")
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def _asset(name: str) -> str:
    return files("safeasr.bench.report").joinpath("page").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names what may run."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def render_html(report: Report) -> str:
    """The page of a report: one HTML document without any reference to another file.

    It holds the report, too (:func:`read_html`): time lines thinned to what a screen can show, so
    that it stays under 5 MB whatever the length of the runs. Texts of the targets cannot become
    markup, and the page forbids itself every script but its own and all connections.
    """
    script = '"use strict";\n(() => {\n' + "\n".join(map(_asset, _SCRIPTS)) + "})();\n"
    style = "\n".join(map(_asset, _STYLES))
    title = report.title or "safeasr bench"
    parts = {
        "title": html.escape(title.encode("utf-8", "replace").decode()),
        "script": script,
        "style": style,
        "script_hash": _hash(script),
        "style_hash": _hash(style),
        "report": script_safe(to_json(thin(report))),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("template.html"))


def write_html(report: Report, path: Path) -> None:
    """Write the page.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(render_html(report), encoding="utf-8")


def read_html(path: Path) -> Report:
    """The report that a page of :func:`write_html` holds; its time lines are thinned.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such page.
    """
    try:
        page = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no page of safeasr bench: {error}") from error
    return extract(page, str(path))
