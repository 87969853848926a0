"""Two reports beside each other: what is matched, how sure one can be, and what is printed."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from safeasr.bench.findings import results
from safeasr.bench.findings.report_file import read_report, write_report
from safeasr.bench.findings.results import Report
from safeasr.bench.report.compare import ComparedRuns, compare, print_comparison
from safeasr.bench.report.html import read_html
from safeasr.bench.report.resample import newcombe
from safeasr.cli.app import run as command
from support.bench_reports import FUNASR, SAFEASR, make_run, sample_report


def report_of(*runs: object) -> Report:
    return Report("t", "c", {"torch": "2.13"}, runs=list(runs))  # type: ignore[arg-type]


def words(compared: ComparedRuns) -> dict[str, str]:
    return {one.measure: one.word for one in compared.changes}


def test_the_same_report_shows_no_difference() -> None:
    report = sample_report()
    found = compare(report, copy.deepcopy(report))
    assert len(found.runs) == len(report.runs) and not found.worse
    assert not found.only_before and not found.only_after and not found.environment
    for run in found.runs:
        assert set(words(run).values()) <= {"no difference seen", "cannot tell"}
        for one in run.changes:
            assert one.change is None or one.change == pytest.approx(0)


def test_twice_as_slow_is_worse_and_the_other_way_better() -> None:
    fast, slow = make_run(asked=3000, seed=1), make_run(asked=1500, slower=2, seed=2)
    found = compare(report_of(fast), report_of(slow)).runs[0]
    kinds = words(found)
    assert all(kinds[name] == "worse" for name in ("RTFx", "requests/s", "p50", "p95", "p99"))
    assert kinds["errors"] == kinds["wrong"] == "no difference seen"
    p50 = next(one for one in found.changes if one.measure == "p50")
    assert p50.low is not None and p50.high is not None and p50.change is not None
    assert p50.low < p50.change < p50.high and p50.change == pytest.approx(100, abs=10)
    back = words(compare(report_of(slow), report_of(fast)).runs[0])
    assert all(back[name] == "better" for name in ("RTFx", "requests/s", "p50", "p95", "p99"))


def test_errors_and_wrong_answers() -> None:
    good, bad = make_run(asked=2000), make_run(asked=2000, broken=True)
    found = compare(report_of(good), report_of(bad))
    assert found.worse
    kinds = words(found.runs[0])
    assert kinds["errors"] == kinds["wrong"] == "worse"
    errors = next(one for one in found.runs[0].changes if one.measure == "errors")
    assert errors.change == pytest.approx(12.0) and errors.low is not None and errors.low > 10


def test_chance_is_called_chance() -> None:
    """Runs of the same system, again and again: at most a few may seem to differ."""
    seen = 0
    for seed in range(20):
        a, b = (make_run(asked=1000, seed=2 * seed + i) for i in (10, 11))
        kinds = words(compare(report_of(a), report_of(b), seed=seed).runs[0])
        seen += sum(kinds[name] != "no difference seen" for name in ("p50", "p95", "errors"))
    assert seen <= 6


def test_seeded() -> None:
    a, b = report_of(make_run(seed=1)), report_of(make_run(seed=2))
    assert compare(a, b) == compare(a, b)
    assert compare(a, b) != compare(a, b, seed=1)


def test_short_runs_cannot_tell() -> None:
    short = make_run(asked=20, count=5)
    kinds = words(compare(report_of(short), report_of(short)).runs[0])
    assert kinds["RTFx"] == kinds["p99"] == "cannot tell"
    nothing = make_run(asked=0, count=5)
    nothing.latency = nothing.latency_sent = type(nothing.latency)()
    nothing.rtfx = nothing.per_s = 0.0
    assert set(words(compare(report_of(nothing), report_of(short)).runs[0]).values()) == {
        "cannot tell"
    }


def test_what_belongs_together() -> None:
    before = report_of(make_run(FUNASR, 4), make_run(SAFEASR, 4), make_run(SAFEASR, 8))
    after = report_of(make_run("inproc:new", 4), make_run(SAFEASR, 4), make_run(SAFEASR, 16))
    after.environment = {"torch": "2.14", "gpu": "x"}
    found = compare(before, after)
    assert [(run.before, run.after, run.load) for run in found.runs] == [
        (FUNASR, "inproc:new", "4 callers"),
        (SAFEASR, SAFEASR, "4 callers"),
    ]
    assert found.only_before == [f"{SAFEASR}, 8 callers"]
    assert found.only_after == [f"{SAFEASR}, 16 callers"]
    assert found.environment == {"torch": ("2.13", "2.14"), "gpu": ("None", "x")}


def test_printed() -> None:
    good, bad = make_run(FUNASR), make_run(SAFEASR, slower=3, broken=True)
    bad.tester = results.Tester(valid=False, reason="late \x1b[31m")
    other = report_of(bad, make_run(SAFEASR, 2))
    other.environment = {"torch": "2.14"}
    for width in (80, 140):
        out = io.StringIO()
        print_comparison(compare(report_of(good), other), Console(file=out, width=width))
        text = out.getvalue()
        assert "\x1b" not in text and max(map(len, text.splitlines())) <= width
        for part in (f"{FUNASR} -> {SAFEASR}", "p95", "worse", "INVALID", "only after", "2.14"):
            assert part in text
    out = io.StringIO()
    print_comparison(compare(report_of(), report_of()), Console(file=out))
    assert "No run" in out.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "no report"),
        ({"runs": []}, "it has no title"),
        ({"runs": [{"target": 1}]}, "has no title"),
        ({"title": "t", "command": "c", "runs": [{"target": 1, "load": {}}]}, r"runs\[0\].target"),
        ({"title": "t", "command": "c", "runs": [{"target": "x"}]}, r"runs\[0\] has no load"),
        ({"title": "t", "command": "c", "runs": 3}, "runs should be a list"),
        ({"title": "t", "command": "c", "runs": [3]}, "should be an object"),
        ({"title": "t", "command": "c", "runs": [], "format": 99}, "newer"),
        (
            {"title": "t", "command": "c", "runs": [{"target": "x", "load": {}, "rtfx": "fast"}]},
            "rtfx should be a number",
        ),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, content: object, said: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=said) as caught:
        read_report(path)
    assert "odd.json" in str(caught.value)
    page = tmp_path / "odd.html"
    page.write_text(f'<script type="application/json" id="report">{json.dumps(content)}</script>')
    with pytest.raises(ValueError, match=r"odd\.html"):
        read_html(page)


def test_reports_come_back_as_they_were(tmp_path: Path) -> None:
    report = sample_report()
    write_report(report, tmp_path / "r.json")
    assert read_report(tmp_path / "r.json") == report
    # What a newer one adds is left out.
    found = json.loads((tmp_path / "r.json").read_text("utf-8")) | {"more": 1}
    (tmp_path / "r.json").write_text(json.dumps(found))
    assert read_report(tmp_path / "r.json") == report


def test_only_if_asked_is_worse_a_failure(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good, bad = (str(tmp_path / name) for name in ("good.json", "bad.json"))
    write_report(report_of(make_run(asked=2000)), Path(good))
    write_report(report_of(make_run(asked=2000, broken=True)), Path(bad))
    assert command(["bench", "compare", good, bad]) == 0
    assert command(["bench", "compare", good, bad, "--fail-if-worse"]) == 1
    assert command(["bench", "compare", bad, good, "--fail-if-worse"]) == 0
    assert "worse" in capfd.readouterr().out
    Path(bad).write_text('{"runs":[{"target":1}]}')
    assert command(["bench", "compare", good, bad]) == 1
    assert "bad.json is no report" in capfd.readouterr().err


def test_newcombe_is_the_published_example() -> None:
    # Newcombe 1998, table II, case (a), method 10: 56/70 - 48/80.
    change, low, high = newcombe((48, 80), (56, 70))
    assert (change, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
    _, low, high = newcombe((0, 10), (0, 10))
    assert low < 0 < high and np.isfinite([low, high]).all()
