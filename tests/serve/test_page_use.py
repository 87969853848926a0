"""The page for everybody: by keyboard, on phones, in Chinese, with keys, and the server's load."""

from __future__ import annotations

from pathlib import Path

import pytest

import safeasr
from support.chromium import Browser
from support.made_up_model import MadeUpModel
from support.pages import at_page, microphone
from support.serving import Server, app_in_thread

DIALOGUE = Path(safeasr.__file__).parent / "models" / "demo-spk" / "audio" / "dialogue.flac"
FOCUS = "(document.activeElement.id || document.activeElement.className)"


def _tab_to(browser: Browser, name: str) -> None:
    for _ in range(30):
        browser.press("Tab")
        if browser.run(FOCUS) == name:
            # Whoever has no mouse must see where they are.
            assert browser.run(
                "(() => { const style = getComputedStyle(document.activeElement);"
                "const label = getComputedStyle(document.activeElement.parentElement);"
                "return [style, label].some((one) => one.outlineStyle === 'solid'"
                "&& parseFloat(one.outlineWidth) >= 2); })()"
            ), name
            return
    raise AssertionError(f"the keyboard does not reach {name}")


@pytest.mark.slow
def test_by_keyboard_alone(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path, microphone(tmp_path, ("02",))) as browser:
        _tab_to(browser, "model")
        _tab_to(browser, "language")
        _tab_to(browser, "tab-live")
        _tab_to(browser, "record")
        browser.press("Enter")
        browser.count("#live-lines .line", 1)
        browser.press(" ")
        browser.appears("#record[data-step=start]")
        _tab_to(browser, "live-text")
        browser.run("document.querySelector('#tab-live').focus()")
        browser.press("ArrowRight")
        assert browser.run(FOCUS) == "tab-file" and browser.shows("#panel-file")
        assert not browser.shows("#panel-live")
        browser.press("ArrowRight")
        assert browser.run(FOCUS) == "tab-live" and browser.shows("#panel-live")
        browser.press("End")
        _tab_to(browser, "file")
        _tab_to(browser, "sample")
        browser.press("Enter")
        browser.appears("#file-result")
        _tab_to(browser, "line")
        browser.press("Enter")
        browser.until("!document.querySelector('#player').paused")


def test_screen_readers_know_what_is_what(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path) as browser:
        nodes = browser.command("Accessibility.getFullAXTree")["nodes"]
        named: dict[str, list[str]] = {}
        for node in nodes:
            if not node.get("ignored"):
                name = node.get("name", {}).get("value", "")
                named.setdefault(node["role"]["value"], []).append(name)
        for role in ("button", "tab", "tabpanel", "combobox", "meter", "timer", "complementary"):
            assert named.get(role) and all(named[role]), role
        assert named["tab"] == ["Microphone", "File"]
        assert "log" in named and browser.run("document.documentElement.lang") == "en"
        assert browser.run("document.querySelector('#live-lines').ariaLive") == "polite"


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.slow
def test_a_phone_scrolls_in_one_direction_only(
    demo_server: Server, tmp_path: Path, language: str
) -> None:
    wide = "document.documentElement.scrollWidth"
    flags = microphone(tmp_path, ("07",))
    with at_page(demo_server.url, tmp_path, flags, language) as browser:
        browser.resize(360, 780, phone=True, dark=True)
        assert browser.run(wide) == 360
        browser.click("#record")
        browser.appears("#partial")
        assert browser.run(wide) == 360
        browser.click("#record")
        browser.appears("#record[data-step=start]")
        assert browser.run(wide) == 360
        browser.click("#tab-file")
        browser.choose_file("#file", DIALOGUE)
        browser.appears("#file-result")
        assert browser.run(wide) == 360
        small = browser.run(
            "[...document.querySelectorAll('button, select, a.button')]"
            ".filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 30)"
            ".map((one) => one.textContent)"
        )
        assert small == []  # for fingers


def test_chinese_and_back(demo_server: Server, tmp_path: Path) -> None:
    with at_page(demo_server.url, tmp_path, language="zh-CN") as browser:
        assert browser.run("document.documentElement.lang") == "zh-CN"
        assert browser.text("#tab-live") == "麦克风" and browser.text("#tab-file") == "文件"
        assert browser.text("#record") == "开始" and browser.text("#language") == "English"
        assert browser.run("document.querySelector('#live-text').ariaLabel") == "实时文字"
        browser.appears("#load")
        assert browser.text("#load-title") == "服务器负载" and browser.text("#state") == "就绪"
        browser.click("#tab-file")
        browser.choose_file("#file", DIALOGUE)
        browser.appears("#file-result")
        assert browser.text("#file-lines .who") == "说话人 A"
        browser.click("#language")
        assert browser.text("#file-lines .who") == "Speaker A"
        assert browser.text("#tab-file") == "File"
        browser.command("Page.reload")
        browser.says("#record", "Start")


@pytest.mark.slow
def test_a_key_is_asked_for_and_kept_in_the_tab(tmp_path: Path) -> None:
    flags = microphone(tmp_path, ("02",))
    with (
        app_in_thread(MadeUpModel, api_keys=("right",)) as running,
        at_page(running.url, tmp_path, flags, need_key=True) as browser,
    ):
        assert "asks for an API key" in browser.text("#key-why")
        assert browser.run(FOCUS) == "key" and not browser.shows("#load")
        browser.appears("#state[data-state=ready]")
        browser.write("wrong")
        browser.press("Enter")
        browser.appears("#key-form")
        assert browser.text("#key-why") == "The server does not know this key."
        browser.write("right")
        browser.press("Enter")
        browser.appears("#load")
        assert not browser.shows("#key-form")
        assert browser.run("JSON.stringify(localStorage)").find("right") == -1
        browser.click("#record")
        browser.appears("#partial")
        browser.click("#record")
        browser.appears("#record[data-step=start]")
        browser.click("#tab-file")
        browser.choose_file("#file", DIALOGUE)
        browser.appears("#file-result")
        browser.command("Page.reload")
        browser.appears("#load")
        assert not browser.shows("#key-form")


@pytest.mark.slow
def test_the_load_and_what_models_there_are(tmp_path: Path) -> None:
    models = {"small": {}, "large": {}}
    with (
        app_in_thread(MadeUpModel, models=models, on_demand=frozenset({"large"})) as running,
        at_page(running.url, tmp_path, microphone(tmp_path, ("02",))) as browser,
    ):
        names = "[...document.querySelector('#model').options].map((one) => one.value)"
        assert browser.run(names) == ["small", "large"]
        browser.appears("#load")
        running.model.waiting = 1234
        with running.service.gate.request("somebody"), running.service.gate.utterance():
            browser.says("#load-requests", "1")
            assert browser.text("#load-live") == "1"
            browser.says("#load-waiting", "1,234")
        browser.run("document.querySelector('#model').value = 'large'")
        browser.click("#record")
        browser.appears("#partial")
        browser.click("#record")
        browser.appears("#record[data-step=start]")
        assert [one.model is running.model for one in running.service.shelf.served()] == [
            False,
            True,
        ]
        running.call(running.service.gate.drain)
        browser.appears("#state[data-state=stopping]")
