"""URLs and what messages show of them and of other text from outside."""

from __future__ import annotations

import pytest

from safeasr.inputs.urls import is_url, parse_url, shown_url, url_path, url_stem
from safeasr.printable import printable, quoted


def test_what_is_a_url() -> None:
    for url in ("https://a/b", "http://", "HTTP://a", "hTTps://a", " http://a", "\nhttp://a\t"):
        assert is_url(url), url
    for path in ("ftp://a/b", "/a/http://b", "http:/a", "http", "", "file:///a", "httpx://a"):
        assert not is_url(path), path


@pytest.mark.parametrize(
    ("url", "path", "stem"),
    [
        ("http://h/a%20b.wav?q=c.d#e", "/a b.wav", "a b"),
        ("HTTP://h/x/a.b.wav?q=/c.d", "/x/a.b.wav", "a.b"),
        ("http://h", "", ""),
        ("http://h/", "/", ""),
        ("http://h?x=/a.wav", "", ""),
        ("http://[::1/语音.mp3", "/语音.mp3", "语音"),
        ("http://h/%E8%AF%AD.wav ", "/语.wav", "语"),
        ("http://h/a%0Ab%1B.wav", "/a\nb\x1b.wav", "a%0Ab%1B"),
        ("http://h/%ff.wav", "/\ufffd.wav", "\ufffd"),
    ],
)
def test_names_in_urls(url: str, path: str, stem: str) -> None:
    assert (url_path(url), url_stem(url)) == (path, stem)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h:80/a.wav?token=x#y", "'http://h:80/a.wav'"),
        ("HTTPS://u:p@h/a", "'https://h/a'"),
        ("http://[::1]:8/a", "'http://[::1]:8/a'"),
        ("http://语音.example/ä", "'http://语音.example/ä'"),
        ("http://h/\x1b[31m\u202ea", r"'http://h/\x1b[31m\u202ea'"),
        ("http://u:p/p@h/a", "http://... (not shown: it may hold a password)"),
        ("http://u:p?p@h/a", "http://... (not shown: it may hold a password)"),
        ("http://u p@[/a", "http://... (not shown: it may hold a password)"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert len(shown_url(url + "/" + "a" * 9999)) < 300


@pytest.mark.parametrize(
    ("written", "wire"),
    [
        ("HTTP://Host/with space.flac", "http://host/with%20space.flac"),
        ("http://h/语音.mp3?name=语音", "http://h/%E8%AF%AD%E9%9F%B3.mp3?name=%E8%AF%AD%E9%9F%B3"),
        ("http://h/100%.wav", "http://h/100%25.wav"),
        ("http://h/a%20b", "http://h/a%20b"),
        ("http://h/a\tb\0c", "http://h/a%09b%00c"),
        ("http://BÜCHER.example:8080/x", "http://xn--bcher-kva.example:8080/x"),
        ("http://my_host/x", "http://my_host/x"),
    ],
)
def test_urls_on_the_wire(written: str, wire: str) -> None:
    assert str(parse_url(written)) == wire


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\x07", "\u202e", "\ud800", "\x7f", "a\x9bb"])
def test_outside_text_is_made_printable(text: str) -> None:
    for shown in (printable(text), quoted(text), printable(ValueError(text))):
        assert shown.isprintable()
        shown.encode()
    assert len(printable("x" * 10_000)) < 300
    assert printable("语音 it's") == "语音 it's"
