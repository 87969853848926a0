"""The page: one file, harmless whatever the targets said, small, without errors in a browser."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest

from safeasr.bench.findings.results import Difference, ErrorKind, Report, Run, Second
from safeasr.bench.report.embed import extract, script_safe, to_json
from safeasr.bench.report.html import read_html, render_html, write_html
from safeasr.bench.report.thin import AUDIO_BYTES, thin, thin_seconds
from support.bench_reports import (
    HOSTILE,
    SAFEASR,
    long_report,
    make_run,
    sample_report,
    sessions_run,
)
from support.chromium import open_page

MOST_BYTES = 5_000_000
# Presses every button, opens every clip and moves the pointer over every figure.
_POKE = """<script>
const failed = [];
window.addEventListener("error", (event) => failed.push(event.message));
for (const button of document.querySelectorAll("button")) {
  if (!button.textContent.includes("JSON")) button.click();
}
for (const clip of document.querySelectorAll("details")) clip.open = true;
let told = 0;
const figures = document.querySelectorAll("figure svg");
for (const figure of figures) {
  const box = figure.getBoundingClientRect();
  for (const part of [0.2, 0.5, 0.8]) {
    figure.dispatchEvent(new PointerEvent("pointermove",
      {clientX: box.left + part * box.width, clientY: box.top + 20, bubbles: true}));
    if (!document.querySelector(".tip").hidden) { told += 1; break; }
  }
}
Object.assign(document.documentElement.dataset,
  {failed: JSON.stringify(failed), told: String(told), figures: String(figures.length)});
</script></body>"""


def test_the_page_needs_nothing_else() -> None:
    page = render_html(sample_report())
    code = page[: page.index('<script type="application/json"')] + page[page.rindex("<script>") :]
    code = code.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody opens
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bimport\s*\(|fetch\(", code)
    assert not re.search(r"<(link|iframe|img|object|embed|script[^>]+src)", page)
    assert "default-src 'none'" in page and "unsafe" not in page
    assert "{{" not in code


def test_code_never_makes_markup_of_texts() -> None:
    page = render_html(Report("t", "c"))
    script = page[page.rindex("<script>") :]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b", script)


def test_hostile_texts_stay_texts() -> None:
    report = sample_report()
    run = report.runs[0]
    report.title = report.command = run.load["label"] = run.bottleneck = HOSTILE
    run.target = run.tester.reason = HOSTILE
    run.notes = [HOSTILE]
    report.environment = {HOSTILE: [HOSTILE], "half": "\ud800"}
    page = render_html(report)
    assert page.count("</script>") == 2 and page.count("<script") == 2
    assert "\u2028" not in page[page.index("application/json") :]
    page.encode()
    again = extract(page, "page")
    assert again.title == HOSTILE and again.runs[0].notes == [HOSTILE]
    assert again.environment["half"] == "\ud800"
    assert script_safe(json.dumps("</>&")) == '"\\u003c/\\u003e\\u0026"'


def test_the_report_can_be_read_back(tmp_path: Path) -> None:
    report = sample_report()
    before = copy.deepcopy(report)
    write_html(report, tmp_path / "page.html")
    assert report == before
    again = read_html(tmp_path / "page.html")
    assert again == thin(report)
    assert [run.counts for run in again.runs] == [run.counts for run in report.runs]
    assert [run.differences for run in again.runs] == [run.differences for run in report.runs]
    assert again.found == report.found and again.runs[0].seconds[3].target
    (tmp_path / "other.html").write_text("<html></html>")
    with pytest.raises(ValueError, match=r"other\.html is no page"):
        read_html(tmp_path / "other.html")


def test_values_that_json_does_not_know() -> None:
    report = Report("t", "c", {"path": Path("/x"), "number": np.float64(2), "none": None})
    report.runs = [Run(SAFEASR, {"label": "x", "level": 1}, rtfx=float("nan"))]
    found = json.loads(to_json(report))
    assert found["environment"] == {"path": "/x", "number": 2.0, "none": None}
    assert found["runs"][0]["rtfx"] is None


def test_thinning_keeps_sums_and_peaks() -> None:
    run = make_run(asked=20_000, count=3601, broken=True)
    run.seconds[1777].p95 = 99_999.0
    run.seconds[1777].target["queue_depth"] = 4321.0
    run.seconds[5].p50 = run.seconds[5].p95 = None
    thinned = thin_seconds(run.seconds, 100)
    assert 50 < len(thinned) <= 100
    for name in ("asked", "answered", "failed", "wrong", "refused", "width"):
        assert sum(getattr(one, name) for one in thinned) == sum(
            getattr(one, name) for one in run.seconds
        )
    assert max(one.p95 or 0 for one in thinned) == 99_999.0
    assert max(one.target["queue_depth"] for one in thinned) == 4321.0
    assert max(one.in_flight for one in thinned) == max(one.in_flight for one in run.seconds)
    assert len(thinned[0].cores) == 2 and all(0 <= core <= 1 for core in thinned[0].cores)
    assert [one.t for one in thinned] == sorted(one.t for one in thinned)
    assert len(thin_seconds(run.seconds[:7], 100)) == 7 and thin_seconds([], 100) == []
    assert thin_seconds([Second(0.5), Second(1.5)], 1) == [Second(0.5, width=2.0)]


@pytest.mark.slow
def test_much_of_everything_stays_small() -> None:
    report = long_report(hours=0.2, cores=96)
    report.runs = [copy.copy(run) for run in report.runs * 12]
    text = "很长的一段话" * 20_000
    for run in report.runs:
        run.errors = [ErrorKind(f"Error{i}", 1, text, 0.1) for i in range(200)]
        run.differences = [
            Difference(f"{i}", "different", text, text + "吧", 1, 0.1, audio="A" * 100_000)
            for i in range(150)
        ]
    page = render_html(report)
    assert len(page.encode()) < MOST_BYTES
    again = extract(page, "page")
    assert all(len(run.differences) >= 5 and len(run.errors) == 50 for run in again.runs)
    assert all(len(run.seconds) >= 30 for run in again.runs)
    # What is cut is cut around the place that differs.
    assert again.runs[0].differences[0].got.endswith("吧")
    audio = sum(len(one.audio or "") for run in again.runs for one in run.differences)
    assert 0 < audio <= AUDIO_BYTES
    assert any("leaves out the audio" in note for note in again.runs[-1].notes)
    assert any("of 150" in note for note in again.runs[0].notes)


@pytest.mark.parametrize("hours, cores", [(1.0, 2), (10.0, 64)])
@pytest.mark.slow
def test_a_million_requests_in_a_browser(tmp_path: Path, hours: float, cores: int) -> None:
    page = tmp_path / "page.html"
    write_html(long_report(hours=hours, cores=cores), page)
    size = page.stat().st_size
    assert size < MOST_BYTES
    opened = open_page(page, tmp_path / "profile")
    assert opened.problems == [] and int(opened.data["drawn"]) > 20
    print(f"{hours} h: {size / 1e6:.2f} MB, drawn in {opened.data['took']} ms")


def test_everything_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = re.sub(r"<meta http-equiv[^>]*>", "", render_html(sample_report()))
    page.write_text(text.replace("</body>", _POKE), encoding="utf-8")
    opened = open_page(page, tmp_path / "profile")
    assert opened.problems == [] and json.loads(opened.data["failed"]) == []
    assert opened.data["told"] == opened.data["figures"] != "0"
    for words in ("1,584", "528", "IndexError", "silently wrong", "fail()&lt;/script&gt;", "NO"):
        assert words in opened.dom
    assert re.search(r"<mark[^>]*>很好,?</mark>", opened.dom)
    assert '<audio controls="" preload="none" src="data:audio/flac;base64,' in opened.dom


@pytest.mark.parametrize("kind", ["empty", "nothing answered", "one target", "no sessions' load"])
def test_sparse_reports_in_a_browser(tmp_path: Path, kind: str) -> None:
    report = Report("t", "c", interrupted=True)
    if kind == "nothing answered":
        report.runs = [Run(SAFEASR, {"kind": "rate", "label": "5 requests/s", "level": 5.0})]
        report.runs[0].seconds = [Second(0.0, asked=5), Second(1.0)]
    elif kind == "one target":
        report.runs = [sessions_run()]
    elif kind == "no sessions' load":
        report.runs = [make_run(level=level, count=3, asked=1) for level in (1, 2)]
        report.runs[1].load = {"label": "odd"}
    write_html(report, tmp_path / "page.html")
    opened = open_page(tmp_path / "page.html", tmp_path / "profile")
    assert opened.problems == [] and "Interrupted" in opened.dom
