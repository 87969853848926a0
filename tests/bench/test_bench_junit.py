"""JUnit XML of goals and alarms."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from safeasr.bench.findings import results
from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.results import Report
from safeasr.bench.report.junit import render_junit, write_junit
from support.bench_reports import FUNASR, HOSTILE, SAFEASR, make_run, sample_report


def cases(text: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(text.encode()).iter("testcase"))


def test_a_case_for_each_run_and_condition(tmp_path: Path) -> None:
    report = Report("t", "c", runs=[make_run(SAFEASR), make_run(FUNASR, broken=True)])
    goals = [Goal.parse("p95<10s,identical"), Goal.parse("errors>0", alarms=True)]
    write_junit(report, tmp_path / "junit.xml", goals)
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    suite = root.find("testsuite")
    assert suite is not None and (suite.get("tests"), suite.get("failures")) == ("6", "2")
    found = {
        (case.get("classname"), case.get("name")): case.find("failure")
        for case in root.iter("testcase")
    }
    assert found[f"{SAFEASR}.16 callers", "identical"] is None
    assert found[f"{SAFEASR}.16 callers", "not errors>0"] is None
    wrong = found[f"{FUNASR}.16 callers", "identical"]
    assert wrong is not None and wrong.get("message") == "wrong = 80, wanted = 0"
    failed = found[f"{FUNASR}.16 callers", "not errors>0"]
    assert failed is not None and failed.get("message") == "errors = 240, fails if > 0"
    assert "180 x IndexError" in (failed.text or "")
    assert sum(float(case.get("time", 0)) for case in root.iter("testcase")) == 120


def test_without_goals_only_validity_counts() -> None:
    run = make_run()
    run.tester = results.Tester(valid=False, reason="the tester was late")
    text = render_junit(Report("t", "c", runs=[make_run(), run]))
    messages = [one.get("message") for case in cases(text) for one in case.iter("failure")]
    assert messages == ["the run is invalid: the tester was late"]


def test_whatever_targets_say_it_stays_xml() -> None:
    report = sample_report()
    report.title = HOSTILE + "\ud800\x00"
    for run in report.runs:
        run.target = run.load["label"] = HOSTILE + "\ud800"
        run.bottleneck = HOSTILE
    text = render_junit(report, [Goal.parse("errors=0")])
    assert len(cases(text)) == len(report.runs)
    assert "\x1b" not in text
