"""Messages of errors without what is said of their kind already."""

from __future__ import annotations

import re

from safeasr.bench.findings.results import Report

__all__ = ["undouble", "undoubled", "without_kind"]

#: "HTTP 503: HTTP 503: full" and "TimeoutError: TimeoutError()", within a sentence.
_AGAIN = re.compile(r"(?P<kind>\b[\w.]+(?: [\w.]+){0,3}): (?P=kind)(?:\(\)|: )")


def without_kind(kind: str, message: str) -> str:
    """A message that begins with the kind that is shown before it, without that."""
    if message in (kind, f"{kind}()"):
        return ""
    return message.removeprefix(f"{kind}: ")


def undouble(report: Report) -> None:
    """Do so with all of a report's errors and notes, in place.

    An error that stands alone has to say its kind, as a traceback shows it; in a report the kind
    always stands before it.
    """
    for run in report.runs:
        for one in run.errors:
            one.first = without_kind(one.kind, one.first)
        run.notes = [undoubled(note) for note in run.notes]
    for failure in getattr(report, "failed", []):
        failure["message"] = undoubled(failure["message"])


def undoubled(text: str) -> str:
    """A sentence in which a kind stands before a message that begins with it."""
    return _AGAIN.sub(_once, text)


def _once(match: re.Match[str]) -> str:
    return match["kind"] + ("" if match[0].endswith("()") else ": ")
