"""What an option ``hotword`` may name: strings, lists, files, URLs; and what it may not."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import DeadlineExceededError, HotwordError, NotAllowedError, OptionError
from safeasr.inputs import hotwords
from safeasr.inputs.hotwords import (
    MOST_HOTWORDS,
    names_urls,
    read_hotwords,
    with_hotwords_read,
)
from safeasr.options.access import Access
from safeasr.options.declared import HOTWORD, Option, Options
from safeasr.options.kinds import require
from safeasr.text.hotword_pieces import Hotwords

LINES = "魔搭\n\n 阿里 巴巴 \nhello\r\n"
WORDS = ("魔搭", "阿里 巴巴", "hello")


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        body = LINES.encode() if self.path == "/words" else b"\xff" * 5
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a running server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_strings_and_lists() -> None:
    assert read_hotwords(" 魔搭\t阿里\n hello ").words == ("魔搭", "阿里", "hello")
    for empty in ("", "  \n", [], (), [""], ["  ", "\n"]):
        assert read_hotwords(empty).words == ()
    assert read_hotwords(["魔搭", " 阿里 巴巴 ", "", "hello"]).words == WORDS
    # Only a path that ends so names a file, and only these addresses are URLs.
    assert read_hotwords("words.txt.bak httpd ftp://x").words == (
        "words.txt.bak", "httpd", "ftp://x",
    )  # fmt: skip


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "my words.txt"
    for coding in ("utf-8", "utf-8-sig"):
        file.write_bytes(LINES.encode(coding))
        assert read_hotwords(str(file)).words == WORDS
    other = tmp_path / "words.lst"
    other.write_text(LINES, encoding="utf-8")
    assert read_hotwords(other).words == WORDS  # a Path is a file, whatever its name
    file.write_text("", encoding="utf-8")
    assert read_hotwords(str(file)).words == ()


def test_urls(server: str) -> None:
    assert read_hotwords(f"{server}/words").words == WORDS
    with pytest.raises(HotwordError, match="404"):
        read_hotwords(f"{server}/none")
    assert read_hotwords(f" {server.replace('http', 'HTTP')}/words").words == WORDS
    with pytest.raises(HotwordError, match=r"what 'http://[^']*/other' gave is not UTF-8"):
        read_hotwords(f"{server}/other?token=secret")
    with pytest.raises(HotwordError, match="larger than 3 bytes"):
        read_hotwords(f"{server}/words", max_bytes=3)
    with pytest.raises(DeadlineExceededError):
        read_hotwords(f"{server}/words", deadline=0.0)


def test_switches(server: str, tmp_path: Path) -> None:
    """What may not be named is not even looked at."""
    file = tmp_path / "words.txt"
    file.write_text(LINES, encoding="utf-8")
    for path in (str(file), file, tmp_path / "gone", "/gone.txt"):
        with pytest.raises(NotAllowedError, match="allow_paths=False"):
            read_hotwords(path, access=Access(paths=False))
    url = f"{server}/words"
    for switch in (False, "public", ("words.example",)):
        with pytest.raises(NotAllowedError, match="allow_urls"):
            read_hotwords(url, access=Access(urls=switch))
    assert read_hotwords(url, access=Access(urls=("127.0.0.1",), paths=False)).words == WORDS
    assert read_hotwords("a b", access=Access(urls=False, paths=False)).words == ("a", "b")


def test_what_the_constructor_names_is_allowed(server: str, tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text(LINES, encoding="utf-8")
    options = Options(Option("hotword", HOTWORD, hotwords=True))
    closed = Access(urls=False, paths=False)
    for own in (str(file), file, f"{server}/words"):
        given = {"hotword": own}
        read = with_hotwords_read(given, options, access=closed, operators=given)
        assert read["hotword"].words == WORDS
        with pytest.raises(NotAllowedError):
            with_hotwords_read(given, options, access=closed, operators={"hotword": "a"})
        assert names_urls(given, options) == (own == f"{server}/words")
    assert not names_urls({"hotword": ["http://h/words"]}, options)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/nowhere/words.txt", "阿里 words.txt", str(tmp_path) + "/x\0.txt"):
        with pytest.raises(HotwordError, match="cannot be read"):
            read_hotwords(path)
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    for odd in (tmp_path, pipe, str(pipe), Path("/dev/zero")):
        with pytest.raises(HotwordError, match="cannot be read: it is no regular file"):
            read_hotwords(odd)
    file = tmp_path / "words.txt"
    file.write_bytes("魔搭".encode("gb18030"))
    with pytest.raises(HotwordError, match="not UTF-8"):
        read_hotwords(str(file))
    monkeypatch.setattr(hotwords, "_MAX_BYTES", 10)
    file.write_bytes(b"a\n" * 6)
    with pytest.raises(HotwordError, match="larger than 10 bytes"):
        read_hotwords(str(file))


def test_too_much(tmp_path: Path) -> None:
    words = [f"字{n}" for n in range(100_000)]
    file = tmp_path / "words.txt"
    file.write_text("\n".join(words), encoding="utf-8")
    for given in (words, " ".join(words), str(file)):
        with pytest.raises(HotwordError, match=f"100000 words, expected {MOST_HOTWORDS} at most"):
            read_hotwords(given)
    assert len(read_hotwords(words[:MOST_HOTWORDS]).words) == MOST_HOTWORDS
    with pytest.raises(HotwordError, match="1000000 letters"):
        read_hotwords(["字", "a" * 1_000_000])
    with pytest.raises(ValueError, match="101 letters"):  # it is a ValueError too
        read_hotwords("a" * 101)


def test_only_the_option_that_names_them_is_read() -> None:
    options = Options(Option("hotword", HOTWORD, hotwords=True), Option("other"))
    given = {"other": "a b"}
    assert with_hotwords_read(given, options) is given
    assert with_hotwords_read({"hotword": None}, options) == {"hotword": None}
    read = with_hotwords_read({"hotword": "a b", "other": "a b"}, options)
    assert read == {"hotword": Hotwords(["a", "b"]), "other": "a b"}


@pytest.mark.parametrize("value", [5, 1.5, b"a", {"a": 1}, ["a", 5], object()])
def test_kind(value: Any) -> None:
    with pytest.raises(OptionError, match="hotword must be a string of words"):
        require(HOTWORD, "hotword", value)


def test_plain_values(tmp_path: Path) -> None:
    for value in ("a b", ["a", "b"], [], tmp_path / "words"):
        assert require(HOTWORD, "hotword", value) == value
    plain = require(HOTWORD, "hotword", np.array(["a", "b"]))
    assert plain == ["a", "b"]
    assert {type(one) for one in plain} == {str}
    assert require(HOTWORD, "hotword", ("a",)) == ["a"]


def test_equal_lists_are_equal() -> None:
    one, other = Hotwords(["a ", "b", ""]), Hotwords(("a", "b"))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Hotwords(["b", "a"])
    assert one != ("a", "b")
