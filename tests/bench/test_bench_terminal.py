"""The summary in the terminal."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import pytest
from rich.cells import cell_len
from rich.console import Console

from safeasr.bench.findings.results import Comparison, Report, Run
from safeasr.bench.report.junit import render_junit
from safeasr.bench.report.terminal import print_report
from safeasr.bench.report.words import around_difference, ms, number, share
from support.bench_reports import FUNASR, HOSTILE, SAFEASR, make_run, sample_report, sessions_run


def printed(report: Report, width: int = 100, terminal: bool = False) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, width=width, force_terminal=terminal))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_everything_fits(width: int) -> None:
    text = printed(sample_report(), width)
    assert max(map(cell_len, text.splitlines())) <= width
    for part in (
        "FunASR beside safeasr",
        "Xeon",
        "1,584 errors, 528 silently wrong in 10,900 requests",
        "0 errors, 0 silently wrong in 11,300 requests",
        "INVALID: the tester itself",
        "RTFx",
        "p99",
        "p95 sent",
        "IndexError",
        "the text of en-007.flac",
        "9.30 %",
        "12 callers",
        "no level reaches it",
        "all 2 cores",
        "A closed loop cannot see stalls",
    ):
        assert part in " ".join(text.split()), part
    # Names and numbers stay whole.
    assert FUNASR in text and SAFEASR in text and "…" not in text


def test_colours_only_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b" not in printed(sample_report())
    assert "\x1b[" in printed(sample_report(), terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed(sample_report(), terminal=True)


def test_targets_stand_side_by_side() -> None:
    runs = [make_run(target, level) for target in (FUNASR, SAFEASR) for level in (1, 2)]
    lines = printed(Report("t", "c", runs=runs), 140).splitlines()
    table = [line for line in lines if "2,000" in line and "requests" not in line]
    assert [FUNASR in line for line in table] == [True, False, True, False]


def test_nothing_that_a_terminal_acts_on() -> None:
    report = sample_report()
    evil = HOSTILE + "\x9b31m\u202e[bold]x[/bold]"
    for run in report.runs:
        run.load["label"] = run.bottleneck = evil
        run.notes = [evil]
    report.runs[0].target = report.title = evil
    report.environment = {"cpu": evil}
    text = printed(report)
    assert not any(c in text for c in "\x1b\x07\x9b\u202e\u2028")
    assert "[bold]x[/bold]" in "".join(text.split())


def test_little() -> None:
    assert "Nothing was measured" in printed(Report("t", "c"))
    text = printed(Report("t", "c", runs=[Run("x", {"label": "y"})], interrupted=True))
    assert "Interrupted" in text and "0 errors" in text
    text = printed(Report("t", "c", runs=[sessions_run()]), 80)
    assert "real time" in text and "98.5 %" in text
    bounded = {"target": "x", "goal": "g", "level": 64.0, "unit": "callers", "bounded": False}
    assert "at least 64 callers" in printed(Report("t", "c", found=[bounded]))


def test_narrow_terminals_lose_no_error_rate() -> None:
    lines = printed(sample_report(), 60).splitlines()
    assert max(map(cell_len, lines)) <= 60
    start = next(n for n, line in enumerate(lines) if line.startswith("Error rate"))
    end = next(n for n, line in enumerate(lines) if line.startswith("Most that"))
    table = "\n".join(lines[start:end])
    assert "…" not in table and "9.30 %" in table and "16, by character" in table


def test_error_rates_that_are_not_known() -> None:
    run = make_run()
    run.accuracy = Comparison("word", None, None, 3)  # type: ignore[arg-type,unused-ignore]
    (line,) = (one for one in printed(Report("t", "c", runs=[run])).splitlines() if " word " in one)
    assert line.split()[-4:] == ["word", "-", "-", "3"]


def test_growth_of_memory() -> None:
    grows, steady, short = make_run(FUNASR, 4, broken=True), make_run(SAFEASR, 4), make_run()
    short.memory_slope_mb_h = None
    text = printed(Report("t", "c", runs=[grows, steady, short]))
    assert f"{FUNASR}, 4 callers: +2,880 MB/h (+2,700 to +3,010)" in text
    assert f"{SAFEASR}, 4 callers: +12 MB/h (-9 to +33)" in text and text.count("MB/h") == 2
    assert "memory" not in printed(Report("t", "c", runs=[short]))


def test_targets_that_could_not_be_measured() -> None:
    report = Report("t", "c", runs=[make_run()])
    report.failed = [  # type: ignore[attr-defined,unused-ignore]
        {"target": "ws://a", "message": "ws://a: cannot connect\x1b\nto it"}
    ]
    text = printed(report)
    assert "FAILED" in text and "│ ws://a: cannot connect" in text and "\x1b" not in text
    suite = ElementTree.fromstring(render_junit(report).encode())
    assert suite[0].get("failures") == "1" and suite[0].get("tests") == "2"
    assert "FAILED" not in printed(Report("t", "c", runs=[make_run()]))


def test_numbers() -> None:
    assert [number(v) for v in (None, 0, 0.1234, 12.34, 1234.5, 5.0)] == [
        "-", "0", "0.123", "12.3", "1,234", "5",
    ]  # fmt: skip
    assert [ms(v) for v in (None, 0.5, 712.4, 9999, 12_345)] == [
        "-", "0.5 ms", "712 ms", "9,999 ms", "12.3 s",
    ]  # fmt: skip
    # Not one wrong answer in a million is rounded away.
    assert share(999_999, 1_000_000) == ">99.99 %" and share(1, 1_000_000) == "<0.01 %"
    assert share(5, 5) == "100 %" and share(0, 5) == "0 %" and share(0, 0) == "-"
    assert share(9995, 10_000) == "99.95 %"


def test_long_texts_are_cut_around_what_differs() -> None:
    same = "x" * 1000
    one, other = around_difference(same + "abc", same + "abe", 50, 10)
    assert one == "…" + "x" * 8 + "abc" and other == "…" + "x" * 8 + "abe"
    assert around_difference("ab", "ac", 50, 10) == ("ab", "ac")
    assert around_difference("a" * 60, "b", 50, 10) == ("a" * 50 + "…", "b")
