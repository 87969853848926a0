"""The page's files: all there, harmless, from nowhere else; both languages say the same things."""

from __future__ import annotations

import re
from importlib import resources

import httpx
import pytest

from support.made_up_model import MadeUpModel
from support.serving import app_in_thread

PAGE = resources.files("safeasr.serve.page")
SOURCES = {
    file.name: file.read_text("utf-8")
    for file in PAGE.iterdir()
    if file.name.endswith((".html", ".js", ".css", ".svg"))
}
MOST_LINES = 300


def _words(language: str) -> dict[str, str]:
    """Its texts; those of several lines without what joins them."""
    found = re.search(rf"const {language} = \{{\n(.*?)\n\}};", SOURCES["words.js"], re.DOTALL)
    assert found
    joined = re.sub(r'"\s*\+\s*"', "", found[1])
    return dict(re.findall(r'^\s*"?([\w.-]+)"?:\s*"((?:[^"\\]|\\.)*)",$', joined, re.MULTILINE))


def test_every_file_is_served_by_its_kind() -> None:
    with app_in_thread(MadeUpModel) as running, httpx.Client(base_url=running.url) as client:
        index = client.get("/")
        assert index.status_code == 200
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        policy = index.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';") and "unsafe" not in policy
        assert index.headers["x-content-type-options"] == "nosniff"
        named = re.findall(r'(?:href|src)="(page/[^"]+)"', index.text)
        imported = [re.findall(r'from "\./([\w.]+)"', text) for text in SOURCES.values()]
        wanted = {*named, *(f"page/{name}" for names in imported for name in names)}
        assert {f"page/{name}" for name in SOURCES} == wanted | {"page/index.html"} | {
            "page/recorder.js"  # named by the microphone
        }
        kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        for path in sorted(wanted):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["content-type"].startswith(kinds[path.rpartition(".")[2]])
        sample = client.get("/page/sample.flac")
        assert sample.content.startswith(b"fLaC") and sample.headers["content-type"] == "audio/flac"


@pytest.mark.parametrize("path", ["page/routes.py", "page/index.html", "page/../settings.py"])
def test_nothing_else_is_served(path: str) -> None:
    with app_in_thread(MadeUpModel) as running:
        assert httpx.get(f"{running.url}/{path}").status_code == 404


def test_a_server_may_have_no_page() -> None:
    with app_in_thread(MadeUpModel, page=False) as running:
        assert httpx.get(running.url + "/").status_code == 404
        assert httpx.get(running.url + "/page/page.js").status_code == 404


def test_nothing_is_from_elsewhere() -> None:
    for name, text in SOURCES.items():
        code = text.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody opens
        assert not re.search(r"https?://|@import|url\(|//[a-z]+\.[a-z]", code), name


def test_no_text_becomes_markup() -> None:
    dangerous = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function"
    for name, text in SOURCES.items():
        assert not re.search(dangerous, text), name
        assert not re.search(r'\son\w+="|\sstyle="|javascript:', text), name


def test_files_are_short() -> None:
    assert {n: t.count("\n") for n, t in SOURCES.items() if t.count("\n") > MOST_LINES} == {}


def test_both_languages_say_the_same_things() -> None:
    english, chinese = _words("en"), _words("zh")
    assert len(english) > 80 and list(english) == list(chinese)
    for word, text in english.items():
        values = re.findall(r"\{\w+\}", text)
        assert sorted(re.findall(r"\{\w+\}", chinese[word])) == sorted(values), word


def test_every_text_is_used_and_every_used_one_is_there() -> None:
    english = _words("en")
    code = "\n".join(text for name, text in SOURCES.items() if name != "words.js")
    for word in re.findall(r'data-(?:word|label)="([\w.-]+)"', code):
        assert word in english
    # Some names are put together from two parts.
    stems = set(re.findall(r"[`\"](\w+\.)\$\{", code))
    told = set(re.findall(r"[\"'`]([\w.-]+)[\"'`]", code))
    for word in english:
        stem, _, rest = word.partition(".")
        assert word in told or (f"{stem}." in stems and rest in told), word
