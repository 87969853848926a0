"""Ctrl-C and SIGTERM: whatever was measured is in the report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from safeasr.bench import campaign
from safeasr.bench.findings.report_file import read_report
from safeasr.bench.interrupts import Interrupts
from safeasr.cli.app import run
from safeasr.cli.bench import conducting
from support.waiting import until

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(__file__).parent)
    paths = [folder, os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


def signalled_after(call: Any, number: signal.Signals) -> Any:
    """The same function, after which the signal comes."""

    def then(*arguments: Any, **options: Any) -> Any:
        found = call(*arguments, **options)
        os.kill(os.getpid(), number)
        return found

    return then


def bench(path: Path, *arguments: str) -> int:
    command = ["bench", "-t", "made_up_module:exact", "--limit", "2", "--requests", "4"]
    return run([*command, "--json", str(path), *arguments])


@SIGNALS
def test_a_run_that_was_only_to_be_counted_is_in_the_report(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between a load's end and its figures.
    monkeypatch.setattr(campaign, "measure", signalled_after(campaign.measure, number))
    assert bench(tmp_path / "r.json", "--concurrency", "1,2") == 130
    report = read_report(tmp_path / "r.json")
    assert report.interrupted and [one.counts.right for one in report.runs] == [4]


@SIGNALS
def test_all_reports_are_written(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("conduct", "write_report"):
        with monkeypatch.context() as patched:
            patched.setattr(conducting, name, signalled_after(getattr(conducting, name), number))
            page = tmp_path / f"{name}.html"
            assert bench(tmp_path / name, "--concurrency", "1", "--html", str(page)) == 130
            assert read_report(tmp_path / name).runs[0].counts.right == 4 and page.is_file()


@SIGNALS
@pytest.mark.slow
def test_a_signal_to_the_whole_group(number: signal.Signals, tmp_path: Path) -> None:
    path, under_way = tmp_path / "report.json", tmp_path / "under way"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "safeasr", "bench", "-t", "made_up_module:counted"),
            *("--concurrency", "2", "--seconds", "120s", "--json", str(path)),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "MADE_UP_CALLS": str(under_way)},
        start_new_session=True,
    )
    until(lambda: under_way.exists() or process.poll() is not None)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    report = json.loads(path.read_text(encoding="utf-8"))
    assert report["interrupted"] and report["runs"][0]["counts"]["right"] > 10


def test_where_signals_wait() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    told: list[str] = []
    with Interrupts() as interrupts, interrupts.waiting(lambda: told.append("stop")):
        signal.raise_signal(signal.SIGTERM)
        assert told == ["stop"] and interrupts.came
        with pytest.raises(KeyboardInterrupt):  # who asks twice does not want to wait
            signal.raise_signal(signal.SIGINT)
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_change_no_handlers() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[Any] = []

    def conduct() -> None:
        with Interrupts() as interrupts, interrupts.waiting():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=conduct)
    thread.start()
    thread.join()
    assert seen == [before]
