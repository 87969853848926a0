"""`safeasr bench` as one types it: real processes, made-up targets, every kind of report."""

from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from safeasr.bench.campaign import Campaign
from safeasr.bench.findings.report_file import read_report
from safeasr.bench.findings.results import Report
from safeasr.bench.load.loaded import Progress
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.cli.app import run
from safeasr.cli.bench import calls, conducting, showing
from safeasr.cli.bench.conducting import with_options
from support.processes import run_to_end

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """``module:function`` is looked for where one stands."""
    monkeypatch.chdir(HERE)


def bench(tmp_path: Path, *arguments: str, code: int = 0) -> Report:
    assert run(["bench", *arguments, "--json", str(tmp_path / "report.json")]) == code
    return read_report(tmp_path / "report.json")


@pytest.mark.slow
def test_calls_and_all_reports(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = bench(
        tmp_path,
        *("-t", "made_up_module:exact", "-t", "made_up_module:odd", "--concurrency", "1,8"),
        *("--requests", "100", "--fail-if", "wrong>0,errors>0"),
        *("--html", str(tmp_path / "r.html"), "--junit", str(tmp_path / "r.xml")),
        code=1,
    )
    assert [one.target for one in report.runs] == ["made_up_module:exact"] * 2 + [
        "made_up_module:odd"
    ] * 2
    exact, odd = report.runs[1], report.runs[3]
    assert (exact.counts.asked, exact.counts.right) == (100, 100)
    assert odd.counts.asked == 100 and odd.counts.wrong == odd.counts.different == 2
    assert odd.counts.failed == 2 and odd.errors[0].kind == "IndexError"
    assert sum(one.count for one in odd.differences) == 2
    assert odd.differences[0].got == "something else" and odd.differences[0].audio
    assert sum(second.asked for second in odd.seconds) == 100
    assert sum(second.wrong for second in odd.seconds) == 2
    assert exact.accuracy is not None and exact.accuracy.loaded == exact.accuracy.alone
    assert exact.latency.p50 is not None and exact.latency.p50 >= 20
    assert any(second.memory_mb for second in exact.seconds)
    said = capfd.readouterr()
    assert "made_up_module:odd" in said.out and "IndexError" in said.out
    assert (
        "failed: made_up_module:odd" in said.err and "failed: made_up_module:exact" not in said.err
    )
    assert "made_up_module:odd" in (tmp_path / "r.html").read_text(encoding="utf-8")
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()
    # Two conditions of each of four runs.
    assert len(list(suite.iter("testcase"))) == 8 and len(list(suite.iter("failure"))) == 4


@pytest.mark.slow
def test_a_rate_and_a_ramp(tmp_path: Path) -> None:
    report = bench(tmp_path, "-t", "made_up_module:exact", "--rate", "40", "--seconds", "2s")
    (run,) = report.runs
    assert 40 < run.counts.asked < 130 and run.counts.right == run.counts.asked
    assert run.tester.late_p95_ms is not None
    report = bench(tmp_path, "-t", "made_up_module:exact", "--ramp", "1:80", "--seconds", "2s")
    assert report.runs[0].load["kind"] == "ramp"


def test_the_demo_in_process_is_right(tmp_path: Path) -> None:
    report = bench(tmp_path, "--concurrency", "16", "--requests", "64", "--limit", "8")
    (one,) = report.runs
    assert (one.counts.right, one.counts.asked) == (64, 64)
    assert one.about["model"] == "demo" and one.bottleneck
    assert one.target == "inproc:safeasr" and report.clips["count"] == 8


@pytest.mark.slow
def test_live_sessions_of_the_demo(tmp_path: Path) -> None:
    arguments = ["live", "--sessions", "6", "--seconds", "4s", "--talk", "4s"]
    report = bench(tmp_path, *arguments)
    (one,) = report.runs
    assert one.counts.asked >= 6 and one.counts.right == one.counts.asked
    assert one.chunk.samples >= one.counts.asked * 4 and one.real_time is not None


@pytest.mark.slow
def test_a_detector_under_many_streams(tmp_path: Path) -> None:
    pytest.importorskip("funasr")
    arguments = ["--threads", "8", "--rounds", "1"]
    report = bench(tmp_path, "streaming-vad", *arguments)
    theirs, ours = report.runs
    assert theirs.target == "inproc:funasr" and theirs.counts.asked == 8
    assert ours.target == "inproc:safeasr" and ours.counts.right == ours.counts.asked == 8


@pytest.mark.slow
def test_options_of_ones_own(tmp_path: Path) -> None:
    arguments = ["options", "-t", "inproc:safeasr", "--requests", "48", "--concurrency", "8"]
    (ours,) = bench(tmp_path, *arguments).runs
    assert ours.counts.right == ours.counts.asked == 48


def test_find_max(tmp_path: Path) -> None:
    arguments = ["--find-max", "identical,errors=0", "--most", "4", "--seconds", "0.5"]
    report = bench(tmp_path, "-t", "made_up_module:exact", *arguments)
    (found,) = report.found
    assert found["level"] == 4 and not found["bounded"]
    assert [one.load["level"] for one in report.runs] == [1, 2, 4]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--concurrency", "1,none"], "1,none"),
        (["--concurrency", "0"], "numbers of callers"),
        (["--concurrency", "1", "--rate", "5"], "one of --concurrency, --rate and --ramp"),
        (["--seconds", "soon"], "'soon'"),
        (["--requests", "5", "--rate", "5"], "--requests goes with --concurrency"),
        (["--requests", "5", "--ramp", "1:5"], "--requests goes with --concurrency"),
        (["--requests", "5", "--seconds", "5"], "one of --requests and --seconds"),
        (["--requests", "5", "--soak", "2h"], "one of --requests and --seconds"),
        (["--ramp", "1:5", "--find-max", "errors=0"], "give --rate"),
        (["--concurrency", "1,4,16", "--find-max", "errors=0"], "only one level of callers"),
        (["live", "--sessions", "1,8", "--find-max", "errors=0"], "only one level of sessions"),
        (["--seconds", "20s", "--soak", "2h"], "one of --seconds and --soak"),
        (["live", "--seconds", "20s", "--soak", "2h"], "one of --seconds and --soak"),
        (["--pid", "999999999"], "no process 999999999"),
        (["--pid", "0"], "no process 0"),
        (["--processes", "2"], "--processes"),
        (["live", "--processes", "2", "-t", "made_up_module:exact"], "--processes"),
        (["--references", "made_up_module.py"], "audio that is named"),
        (["--ramp", "5"], "1:50"),
        (["--find-max", "p59<3ms"], "p95"),
        (["--option", "language"], "name=value"),
        (["--header", "Authorization"], "NAME:VALUE"),
        (["--json", "no/such/folder/a.json"], "no/such/folder"),
        (["--html", "."], "is a folder"),
        (["options", "--junit", ".."], "is a folder"),
        (["live", "--mode", "twice"], "'twice'"),
        (["compare", "made_up_module.py", "made_up_module.py"], "made_up_module.py"),
        (["no such file.wav"], "no such file"),
        (["-t", "inproc:funasrr"], "funasr"),
        (["-t", "made_up_module:nothing"], "nothing"),
        (["-t", "http://127.0.0.1:9/"], "127.0.0.1:9"),
    ],
)
def test_wrong_usage_is_named(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", *arguments]) in (1, 2)
    out = capfd.readouterr()
    # Typer folds them into a box.
    assert said in " ".join(out.err.replace("│", " ").split()), out.err
    assert "Traceback" not in out.err


def test_nothing_of_torch_for_a_server(tmp_path: Path) -> None:
    code = (
        "import sys; from safeasr.cli.app import run; "
        "run(['bench', '-t', 'http://127.0.0.1:9/', '--limit', '1']); "
        "sys.exit('torch' in sys.modules)"
    )
    done = run_to_end([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr


def test_a_tester_without_processor_says_so(tmp_path: Path) -> None:
    # A target in the tester's own interpreter that never lets go of it: requests leave late.
    arguments = ["-t", "made_up_module:busy", "--rate", "60", "--seconds", "2s", "--no-alone"]
    (one,) = bench(tmp_path, *arguments).runs
    assert not one.tester.valid and "late" in one.tester.reason
    assert one.bottleneck.startswith("The tester itself")


def test_a_name_that_is_none_gets_a_list_of_lines(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "-t", "inproc:nope", "--limit", "1"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert any(line.startswith("  inproc:funasr-lock  ") for line in lines)
    assert not any("did you mean" in line for line in lines)


def test_one_report_that_fails_loses_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(conducting, "write_html", full)
    names = [str(tmp_path / name) for name in ("r.html", "r.xml")]
    bench(
        tmp_path,
        *("-t", "made_up_module:exact", "--concurrency", "2", "--requests", "10"),
        *("--html", names[0], "--junit", names[1]),
        code=1,
    )
    assert Path(names[1]).is_file()
    said = capfd.readouterr()
    assert "cannot write" in said.err and "no space left" in said.err
    # Without a terminal, too, one sees that it lives.
    for line in (
        "made_up_module:exact: opening",
        "made_up_module:exact: asking for each of 16 clips alone",
        "made_up_module:exact, 2 callers: begins, 10 requests",
    ):
        assert line in said.err.splitlines()


def test_error_rates_need_jiwer(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    assert run(["bench", "-t", "inproc:nope"]) == 1
    assert capfd.readouterr().err.count("pip install 'safeasr[bench]'") == 1


def test_once_a_minute_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(showing, "time", clock)
    out = io.StringIO()
    with showing.Shown(Console(file=out, width=200)) as shown:
        shown.opening("module:x")
        shown.loading("x", Load(Closed(4, 9000.0)))
        for step in range(1, 300):
            clock.now = step / 2
            shown.progress(Progress(clock.now, step, 4, step, {}), 0.0)
        shown.loading("x", Load(Sessions(1, paced=False, rounds=3)))
    assert out.getvalue().splitlines() == [
        "module:x: opening",
        "x, 4 callers: begins, for 2 h 30 min",
        "x, 4 callers: after 60 s 120 ended, 4 under way",
        "x, 4 callers: after 2 min 240 ended, 4 under way",
        "x, 1 session: begins, 3 recordings of each session",
    ]


def test_wav_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Campaign] = []
    monkeypatch.setattr(calls, "conduct_and_show", lambda campaign, _: seen.append(campaign))
    assert run(["bench", "-t", "http://localhost:1"]) == 0
    assert run(["bench", "-t", "http://localhost:1", "--wav"]) == 0
    assert run(["bench", "--find-max", "errors=0"]) == 0
    files, wavs, search = seen
    assert all(one.encoded and one.filename.endswith(".flac") for one in files.clips)
    assert all(one.encoded is None and one.filename.endswith(".wav") for one in wavs.clips)
    assert [one.level for one in files.loads] == [1, 4, 16]
    assert {one.kind.seconds for one in files.loads} == {20.0}
    assert [one.level for one in search.loads] == [1]


def test_servers_are_asked_for_their_own_model() -> None:
    both = ["inproc:safeasr", "http://127.0.0.1:9/"]
    assert [o.model for _, o in with_options(both, None, usual="demo")] == ["demo", None]
    assert [o.model for _, o in with_options(both, "large", usual="demo")] == ["large", "large"]
