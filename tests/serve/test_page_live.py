"""The page's microphone: text while one speaks, sentences behind it, and what is in the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from safeasr import AutoModel
from support.chromium import Browser, browsing
from support.made_up_model import MadeUpModel
from support.pages import Wire, at_page, lines, microphone, spoken_words
from support.serving import Server, app_in_thread, server

CLIPS = ("07", "04")


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _stop(browser: Browser) -> None:
    browser.click("#record")
    browser.appears("#record[data-step=start]")


@pytest.mark.slow
def test_text_while_one_speaks_and_sentences_behind(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path, microphone(tmp_path, CLIPS)) as browser:
        browser.click("#record")
        partial = browser.until("document.querySelector('#partial').textContent")
        assert set(_words(str(partial))) <= set(spoken_words(CLIPS)[0])
        assert browser.text("#live-state") == "Listening"
        browser.count("#live-lines li", 1)
        browser.until("document.querySelector('#level').ariaValueNow > 20")
        browser.count("#live-lines li", 2)
        _stop(browser)
        said = lines(browser, "live")
        assert [_words(line) for line in said] == spoken_words(CLIPS)
        assert browser.text("#partial") == ""
        times = browser.run(
            "[...document.querySelectorAll('#live-lines time')].map((one) => one.textContent)"
        )
        assert times[0] == "0:01" and re.fullmatch(r"0:0[4-8]", times[1])
        assert browser.text("#live-lines .who") == "Speaker A"
        assert browser.shows("#live-tools") and browser.problems == []
        # Once more: what was said stands, and the clock goes on.
        clock = browser.text("#clock")
        browser.click("#record")
        browser.until(f"document.querySelector('#clock').textContent > {json.dumps(clock)}")
        _stop(browser)
        assert lines(browser, "live") == said


@pytest.mark.slow
def test_the_last_sentence_comes_after_stop(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path, microphone(tmp_path, CLIPS)) as browser:
        browser.click("#record")
        browser.says("#partial", "five")
        _stop(browser)
        (said,) = [_words(line) for line in lines(browser, "live")]
        assert said[:2] == ["four", "five"] and said == spoken_words(CLIPS)[0][: len(said)]
        browser.click("#live-tools .right button:last-child")
        assert lines(browser, "live") == [] and not browser.shows("#live-tools")
        assert browser.text("#clock") == "0:00"


@pytest.mark.slow
def test_a_lost_connection_loses_no_word(demo_server: Server, tmp_path: Path) -> None:
    wire = Wire(demo_server.port)
    clips = ("07", "05", "04")
    with at_page(wire.url, tmp_path, microphone(tmp_path, clips)) as browser:
        browser.click("#record")
        browser.says("#partial", "four")
        wire.cut()
        browser.says("#live-state", "Connection lost")
        browser.appears("#state[data-state=unreachable]")
        wire.mend()
        browser.count("#live-lines .line", 3)
        _stop(browser)
        assert [_words(line) for line in lines(browser, "live")] == spoken_words(clips)


@pytest.mark.slow
def test_a_server_that_stops_hears_the_sentence_to_its_end(tmp_path: Path) -> None:
    with (
        server() as running,
        at_page(running.url, tmp_path, microphone(tmp_path, CLIPS)) as browser,
    ):
        browser.click("#record")
        browser.says("#partial", "four")
        assert running.end() == 0
        assert [_words(line) for line in lines(browser, "live")] == spoken_words(CLIPS)[:1]
        browser.says("#live-state", "What you say is kept")
        browser.click("#record")
        browser.appears("#record[data-step=leave]")
        assert browser.text("#record") == "Don’t wait"
        _stop(browser)
        assert [_words(line) for line in lines(browser, "live")] == spoken_words(CLIPS)[:1]


@pytest.mark.parametrize(
    "parts",
    [{"model": "demo-streaming"}, {"model": "demo", "vad_model": "demo-vad"}],
    ids=["first pass alone", "second pass alone"],
)
@pytest.mark.slow
def test_models_of_one_pass(tmp_path: Path, parts: dict[str, str]) -> None:
    flags = microphone(tmp_path, CLIPS)
    with (
        app_in_thread(AutoModel, models={"one": parts}) as running,
        at_page(running.url, tmp_path, flags) as browser,
    ):
        browser.click("#record")
        shown = "#partial" if parts["model"] == "demo-streaming" else "#live-lines"
        browser.says(shown, "nine")
        browser.says(shown, "play")
        _stop(browser)
        spoken = [word for clip in spoken_words(CLIPS) for word in clip]
        assert _words(" ".join(lines(browser, "live"))) == spoken
        assert not browser.shows("#live-lines .who") and browser.problems == []


def test_a_full_server_says_so_and_is_tried_again(tmp_path: Path) -> None:
    from safeasr.serve import Limits

    with (
        app_in_thread(MadeUpModel, limits=Limits(max_connections=0)) as running,
        at_page(running.url, tmp_path, microphone(tmp_path, CLIPS)) as browser,
    ):
        browser.click("#record")
        browser.says("#live-state", "no room")
        object.__setattr__(running.service.settings.limits, "max_connections", 1)
        browser.appears("#partial")
        _stop(browser)
        assert len(lines(browser, "live")) == 1


def test_a_model_that_fails_is_reported_and_goes_on(tmp_path: Path) -> None:
    with (
        app_in_thread(MadeUpModel) as running,
        at_page(running.url, tmp_path, microphone(tmp_path, CLIPS)) as browser,
    ):
        running.model.fault = RuntimeError("/secret/path")
        browser.click("#record")
        browser.appears("#live-notice")
        notice = browser.text("#live-notice")
        assert notice.startswith("The server failed") and "secret" not in notice
        running.model.fault = None
        browser.appears("#partial")
        _stop(browser)


@pytest.mark.parametrize(
    "flags, answer",
    [
        ([], "No microphone was found"),
        (["--use-fake-device-for-media-stream", "--deny-permission-prompts"], "is blocked"),
    ],
    ids=["none", "denied"],
)
def test_no_microphone(demo_server: Server, tmp_path: Path, flags: list[str], answer: str) -> None:
    flags = flags or ["--use-fake-ui-for-media-stream"]
    with at_page(demo_server.url, tmp_path, flags) as browser:
        browser.click("#record")
        browser.appears("#live-notice")
        assert answer in browser.text("#live-notice")
        assert browser.text("#record") == "Start"


def test_an_insecure_page_says_why_it_has_no_microphone(
    demo_server: Server, tmp_path: Path
) -> None:
    flags = ["--host-resolver-rules=MAP page.test 127.0.0.1"]
    with at_page(f"http://page.test:{demo_server.port}", tmp_path, flags) as browser:
        browser.click("#record")
        browser.appears("#live-notice")
        assert "only over https or on localhost" in browser.text("#live-notice")


@pytest.mark.slow
def test_silence_is_noticed(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path, microphone(tmp_path, (), 20.0)) as browser:
        browser.click("#record")
        browser.appears("#live-notice")
        assert browser.text("#live-notice").startswith("No sound is coming in")
        _stop(browser)


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000, 96000])
def test_any_rate_becomes_16_khz(demo_server: Server, tmp_path: Path, rate: int) -> None:
    """Tones keep their strength up to 7 kHz; what 16 kHz cannot hold is gone."""
    with browsing(tmp_path / "profile") as browser:
        browser.open(demo_server.url + "/page/icon.svg")
        strength = """async (tone) => {
          const context = new OfflineAudioContext(1, RATE, RATE);
          await context.audioWorklet.addModule("/page/recorder.js");
          const node = new AudioWorkletNode(context, "recorder");
          const wave = Float32Array.from({length: RATE}, (_, i) =>
            Math.sin(2 * Math.PI * tone * i / RATE));
          const buffer = context.createBuffer(1, RATE, RATE);
          buffer.copyToChannel(wave, 0);
          const source = new AudioBufferSourceNode(context, {buffer});
          const frames = [];
          const ended = new Promise((resolve) => {
            node.port.onmessage = ({data}) => {
              frames.push(...new Int16Array(data.buffer));
              if (data.isLast) resolve();
            };
          });
          source.connect(node).connect(context.destination);
          source.start();
          context.suspend(0.96).then(() => node.port.postMessage("end"));
          context.startRendering();
          await ended;
          const middle = frames.slice(2000, -2000);
          const power = middle.reduce((sum, one) => sum + (one / 32768) ** 2, 0) / middle.length;
          return [frames.length, Math.sqrt(2 * power)];
        }""".replace("RATE", str(rate))
        for tone in (200, 1000, 3000, 7000):
            if tone < 0.45 * rate:
                count, found = browser.run(f"({strength})({tone})")
                assert abs(count - 15360) < 200 and abs(found - 1) < 0.02, tone
        for tone in (9000, 12000, 20000):
            if rate > 16000 and tone < 0.45 * rate:
                assert browser.run(f"({strength})({tone})")[1] < 0.01, tone
