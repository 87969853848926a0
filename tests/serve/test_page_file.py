"""The page's files: upload, sentences with speakers and times, playing, and files to keep."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

import safeasr
from support.chromium import Browser
from support.made_up_model import MadeUpModel
from support.pages import at_page, lines
from support.serving import Server, app_in_thread
from support.waiting import until

DIALOGUE = Path(safeasr.__file__).parent / "models" / "demo-spk" / "audio" / "dialogue.flac"


@pytest.fixture(scope="module")
def opened(
    demo_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, Path]]:
    """A browser at the panel of files, and the folder of its downloads."""
    folder = tmp_path_factory.mktemp("page")
    downloads = folder / "downloads"
    downloads.mkdir()
    with at_page(demo_server.url, folder) as browser:
        browser.command(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads)
        )
        browser.click("#tab-file")
        browser.choose_file("#file", DIALOGUE)
        browser.appears("#file-result")
        yield browser, downloads


def _answer(server: Server, form: str, **more: str) -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/audio/transcriptions",
        data={"response_format": form, **more},
        files={"file": DIALOGUE.read_bytes()},
        timeout=60,
    )


def test_sentences_with_speakers_and_times(
    demo_server: Server, opened: tuple[Browser, Path]
) -> None:
    browser, _ = opened
    segments = _answer(demo_server, "diarized_json").json()["segments"]
    assert lines(browser, "file") == [one["text"] for one in segments]
    times, speakers = (
        browser.run(
            f"[...document.querySelectorAll('#file-lines {one}')].map((one) => one.textContent)"
        )
        for one in ("time", ".who")
    )
    assert times == [f"{one['start'] // 60:.0f}:{one['start'] % 60 // 1:02.0f}" for one in segments]
    assert speakers == [f"Speaker {one['speaker']}" for one in segments]
    assert browser.text("#file-name") == "dialogue.flac"
    assert browser.problems == []


@pytest.mark.parametrize("end", ["srt", "vtt"])
def test_subtitles_are_the_servers(
    demo_server: Server, opened: tuple[Browser, Path], end: str
) -> None:
    browser, downloads = opened
    assert _download(browser, downloads, end) == _answer(demo_server, end, spk="true").text


def test_json_and_text(demo_server: Server, opened: tuple[Browser, Path]) -> None:
    browser, downloads = opened
    answer = _answer(demo_server, "diarized_json").json()
    assert json.loads(_download(browser, downloads, "json")) == answer
    text = _download(browser, downloads, "txt").splitlines()
    assert text[0] == "Speaker A: Hello, help, please. Open, close?"
    turns = [one["speaker"] for one in answer["segments"]]
    changes = 1 + sum(a != b for a, b in itertools.pairwise(turns))
    assert len(text) == changes


def _download(browser: Browser, folder: Path, end: str) -> str:
    path = folder / f"dialogue.{end}"
    browser.click(f"#file-tools [data-format={end}]")
    until(lambda: path.exists() and path.stat().st_size > 0)
    return path.read_text("utf-8")


def test_a_click_on_a_sentence_plays_it(opened: tuple[Browser, Path]) -> None:
    browser, _ = opened
    browser.until("document.querySelector('#player').duration > 50")
    browser.click("#file-lines li:nth-child(9) button")
    browser.until("document.querySelector('#player').currentTime > 21.2")
    assert browser.run("!document.querySelector('#player').paused")
    marked = "[...document.querySelectorAll('#file-lines .line')].findIndex((l) => l.ariaCurrent)"
    assert browser.run(marked) == 8
    browser.run("document.querySelector('#player').currentTime = 47.5")
    browser.until(f"{marked} === 16")
    browser.run("document.querySelector('#player').pause()")


def test_nothing_is_asked_of_another_host(
    demo_server: Server, opened: tuple[Browser, Path]
) -> None:
    browser, _ = opened
    known = (demo_server.url, demo_server.ws, f"blob:{demo_server.url}", "data:")
    assert len(browser.addresses) > 15
    assert [one for one in browser.addresses if not one.startswith(known)] == []


def test_the_sample_of_the_demo_by_drop_and_button(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path) as browser:
        browser.click("#tab-file")
        browser.click("#sample")
        browser.count("#file-lines li", 18)
        browser.run("""(() => {
          const data = new DataTransfer();
          data.items.add(new File(["this is no sound"], "x.wav"));
          const drop = document.querySelector("#drop");
          drop.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        })()""")
        browser.appears("#file-notice")
        assert browser.text("#file-notice") == "This file cannot be read as audio."
        assert not browser.shows("#file-result") and not browser.shows("#progress")


def test_silence_is_no_transcript(demo_server: Server, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(32000, np.float32), 16000)
    with at_page(demo_server.url, tmp_path) as browser:
        browser.click("#tab-file")
        browser.choose_file("#file", tmp_path / "silence.wav")
        browser.appears("#file-notice")
        assert browser.text("#file-notice") == "No speech was found in this file."


def test_upload_progress_and_cancel(tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(bytes(8_000_000))
    with app_in_thread(MadeUpModel) as running, at_page(running.url, tmp_path) as browser:
        browser.click("#tab-file")
        # A megabyte a second: there is something to see.
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
        browser.command("Network.emulateNetworkConditions", uploadThroughput=2**20, **slow)
        browser.choose_file("#file", tmp_path / "long.wav")
        browser.until("document.querySelector('#bar').value > 0.1")
        assert browser.text("#file-state").startswith("Uploading: ")
        browser.click("#cancel")
        browser.appears("#file-notice")
        assert browser.text("#file-notice") == "Cancelled." and not browser.shows("#progress")

        browser.command("Network.emulateNetworkConditions", uploadThroughput=-1, **slow)
        running.model.hold()
        browser.choose_file("#file", tmp_path / "long.wav")
        browser.says("#file-state", "Transcribing")
        until(lambda: running.model.calls == 1)
        assert not browser.run("document.querySelector('#bar').hasAttribute('value')")
        browser.click("#cancel")
        until(lambda: running.model.calls == 0)  # the server hears of it


def test_a_model_without_speakers(tmp_path: Path) -> None:
    (tmp_path / "some.wav").write_bytes(b"some bytes that the made-up model takes")
    with app_in_thread(MadeUpModel) as running, at_page(running.url, tmp_path) as browser:
        browser.click("#tab-file")
        browser.choose_file("#file", tmp_path / "some.wav")
        browser.appears("#file-result")
        assert len(lines(browser, "file")) == 1 and not browser.shows("#file-lines .who")
        # It is no sound, so it cannot be played.
        browser.appears("#unplayable")


def test_a_busy_server_is_asked_again_when_it_says(tmp_path: Path) -> None:
    from safeasr.serve import Limits

    (tmp_path / "some.wav").write_bytes(b"some bytes")
    with (
        app_in_thread(MadeUpModel, limits=Limits(max_requests=1)) as running,
        at_page(running.url, tmp_path) as browser,
    ):
        with running.service.gate.request("somebody else"):
            browser.click("#tab-file")
            browser.choose_file("#file", tmp_path / "some.wav")
            browser.says("#file-state", "busy. Next")
        browser.appears("#file-result")


@pytest.mark.slow
def test_a_file_beyond_the_limits_is_not_even_sent(tmp_path: Path) -> None:
    from safeasr.serve import Limits

    (tmp_path / "large.wav").write_bytes(bytes(3_000_000))
    with (
        app_in_thread(MadeUpModel, limits=Limits(max_upload_bytes=1 << 20)) as running,
        at_page(running.url, tmp_path) as browser,
    ):
        browser.click("#tab-file")
        browser.choose_file("#file", tmp_path / "large.wav")
        browser.appears("#file-notice")
        assert "at most 1 MB" in browser.text("#file-notice")
        assert not running.service.answers[413]


@pytest.mark.slow
def test_a_file_that_the_server_refuses_in_mid_upload(tmp_path: Path) -> None:
    """The page has its reason all the same, not a connection that broke."""
    from safeasr.serve import Limits

    (tmp_path / "large.wav").write_bytes(bytes(100_000_000))
    with (
        app_in_thread(MadeUpModel, limits=Limits(max_upload_bytes=1 << 20)) as running,
        at_page(running.url, tmp_path) as browser,
    ):
        browser.run("Object.defineProperty(File.prototype, 'size', {value: 1}); 0")
        browser.click("#tab-file")
        browser.choose_file("#file", tmp_path / "large.wav")
        browser.appears("#file-notice")
        assert "at most 1 MB" in browser.text("#file-notice")
        assert running.service.answers[413] == 1


@pytest.mark.slow
def test_a_server_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "some.wav").write_bytes(b"some bytes")
    with app_in_thread(MadeUpModel) as running, at_page(running.url, tmp_path) as browser:
        browser.click("#tab-file")
        browser.command(
            "Network.emulateNetworkConditions",
            **{"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
        )
        browser.choose_file("#file", tmp_path / "some.wav")
        browser.appears("#file-notice")
        assert browser.text("#file-notice") == "The server cannot be reached."
        browser.appears("#state[data-state=unreachable]")
