"""Goals and alarms as JUnit XML, which every CI shows."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.results import Report, Run
from safeasr.bench.report.words import ms, number, shown

__all__ = ["render_junit", "write_junit"]


def render_junit(report: Report, goals: Sequence[Goal] = ()) -> str:
    """One test case for each run and condition; those that are missed fail, with the values.

    Args:
        report: whose runs.
        goals: what they are held against, each in the reading it was made for (`Goal.alarms`);
            without any, only whether the run is valid.
    """
    conditions = [one for goal in goals or [Goal.parse("valid")] for one in goal.parts()]
    root = ElementTree.Element("testsuites", name="safeasr bench")
    suite = ElementTree.SubElement(root, "testsuite", name=shown(report.title))
    failures = 0
    for run in report.runs:
        # The time of a run once, so that the suite's sum is right.
        seconds = run.duration_s
        for condition in conditions:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{shown(run.target)}.{shown(run.load.get('label', ''))}",
                name=f"{'not ' if condition.alarms else ''}{shown(condition.text)}",
                time=f"{seconds:.3f}",
            )
            seconds = 0.0
            if not condition.passes(run):
                why = shown(condition.why(run), 500)
                failure = ElementTree.SubElement(case, "failure", message=why, type="goal")
                failure.text = f"{why}\n{_summary(run)}"
                failures += 1
    unusable = getattr(report, "failed", [])
    for one in unusable:
        # Without a test case of its own a target that never ran would look like one that passed.
        name = "can be measured"
        case = ElementTree.SubElement(suite, "testcase", classname=shown(one["target"]), name=name)
        ElementTree.SubElement(case, "failure", message=shown(one["message"], 500), type="target")
    failures += len(unusable)
    suite.set("tests", str(len(report.runs) * len(conditions) + len(unusable)))
    suite.set("failures", str(failures))
    suite.set("time", f"{sum(run.duration_s for run in report.runs):.3f}")
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def write_junit(report: Report, path: Path, goals: Sequence[Goal] = ()) -> None:
    """Write :func:`render_junit`.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(render_junit(report, goals), encoding="utf-8")


def _summary(run: Run) -> str:
    counts = run.counts
    lines = [
        f"asked {counts.asked:,}, right {counts.right:,}, wrong {counts.wrong:,}, "
        f"errors {counts.errors:,}, refused {counts.refused:,}",
        f"RTFx {number(run.rtfx)}, p50 {ms(run.latency.p50)}, p95 {ms(run.latency.p95)}",
    ]
    lines += [f"{one.count:,} x {shown(one.kind)}: {shown(one.first)}" for one in run.errors[:5]]
    if run.bottleneck:
        lines.append(shown(run.bottleneck))
    return "\n".join(lines)
