"""Downloads, against a server of the test's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from safeasr.deadlines import unless
from safeasr.errors import AudioError, CancelledError, DeadlineExceededError, NotAllowedError
from safeasr.inputs.audio import load_audio
from safeasr.inputs.download import download
from safeasr.inputs.expand import expand_inputs
from support.waiting import until
from support.web import SECRET, WAV, Server, serve


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as server:
        yield server


@pytest.fixture
def server(web: Server) -> str:
    """The address of a running server."""
    return web.url


def test_audio_at_a_url(server: str) -> None:
    expected = load_audio(WAV)
    for path in ("/a.wav", "/a.wav?token=x.y/z", "/unstated.wav", "/moved", "/moved-far"):
        np.testing.assert_array_equal(load_audio(server + path), expected)
    np.testing.assert_array_equal(load_audio(server + "/raw.pcm"), [0.0, 0.5, -1.0])


@pytest.mark.parametrize(
    "path",
    [
        "/any/with space.wav", "/any/语音.wav", "/any/a.wav?name=语音 one", "/any/100%.wav",
        "/any/a%20b.wav", "/any/üöä/é.wav#part", "/any/tab\there.wav", '/any/"<>`{}|\\^.wav',
        "/any/a.wav?x=[1]&y=%zz", "/any/😀.wav",
    ],
)  # fmt: skip
def test_urls_as_people_write_them(web: Server, path: str) -> None:
    for url in (web.url + path, web.url.replace("http", "HTTP") + path, f" {web.url}{path}\n"):
        np.testing.assert_array_equal(expand_inputs(url)[0].load(), load_audio(WAV))
    assert all(one.isascii() and " " not in one for one in web.asked)


def test_host_names_of_any_script(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    known = socket.getaddrinfo

    def lookup(host: str, *rest: Any, **options: Any) -> Any:
        looked_up.append(host)
        return known("127.0.0.1", *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setenv("no_proxy", "*")
    port = web.server_address[1]
    for host in ("例え.テスト", "例え。テスト", "BÜCHER.example", "ｗｉｄｅ.example"):
        assert download(f"http://{host}:{port}/a.wav") == WAV
    assert looked_up[::2] == [  # then once more by its number
        "xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah", "xn--bcher-kva.example", "wide.example",
    ]  # fmt: skip


def test_users_and_passwords_of_urls_are_sent(web: Server) -> None:
    url = web.url.replace("http://", f"http://user:{SECRET}@")
    assert download(url + "/a.wav") == WAV
    assert web.authorized == [f"user:{SECRET}"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none.wav", "the server answered 404 Not Found"),
        ("/status/418", "the server answered 418"),
        ("/status/799", "the server answered 799"),
        ("/loop", "redirected more than 10 times"),
        ("/to/file:///etc/hostname", "redirected to what is no http"),
        ("/to/ftp://127.0.0.1/a", "redirected to what is no http"),
        ("/to/data:,abc", "redirected to what is no http"),
        ("/to/http://[::1", "redirected to what is no http"),
        ("/short.wav", "broke off after 1000 of"),
        ("/half-chunked", "broke off after 5 bytes"),
        ("/half-gzip", "broke off after"),
        ("/no-gzip", "no data in gzip"),
        ("/brotli", "Content-Encoding 'br'"),
        ("/bomb-in-bomb", "Content-Encoding 'gzip, gzip'"),
        ("/rude", "the server answered 404 Not Found$"),
        ("/no-http", "does not answer as HTTP servers do$"),
    ],
)
def test_failures_are_audio_errors(server: str, path: str, message: str) -> None:
    with pytest.raises(AudioError, match=message) as caught:
        download(server + path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", ["/better-soon/502", "/better-soon/503", "/better-soon/504",
                                  "/hangs-up-first"])  # fmt: skip
def test_what_may_be_better_soon_is_tried_again(web: Server, path: str) -> None:
    assert download(web.url + path) == WAV
    assert len(web.asked) == 3


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_will_not_be_better_is_not(web: Server, status: int) -> None:
    with pytest.raises(AudioError, match=str(status)):
        download(f"{web.url}/status/{status}")
    assert len(web.asked) == 1


def test_trying_again_ends_with_the_time_limit(web: Server) -> None:
    with pytest.raises(AudioError, match="answered 503 Service Unavailable"):
        download(f"{web.url}/status/503", timeout_s=0.1)
    assert len(web.asked) == 1


@pytest.mark.parametrize("path", ["/gzip", "/deflate", "/raw-deflate"])
def test_packed_bodies(server: str, path: str) -> None:
    assert download(server + path) == WAV
    with pytest.raises(AudioError, match="larger than 5000 bytes"):
        download(server + path, max_bytes=5000)


def test_what_is_unpacked_is_limited_too(server: str) -> None:
    assert len(download(server + "/bomb")) == 1 << 20
    with pytest.raises(AudioError, match="larger than 300000 bytes"):
        download(server + "/bomb", max_bytes=300_000)


def test_unreachable_and_malformed_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for url in (
        "http://127.0.0.1:1/a.wav", "http://", "http://[::1", "http://a b/c", "http:///a",
        "http://h:99999/", "http://h:0/", "http://h:x/", "http://☃☃\ud800/", "http://h/\udc80",
        "http://" + "a" * 300, "http://h/" + "a" * 70_000, "http://?x", "https://#", "http://.../",
        "http://\x1b[31m/", "http://a\x00b/", "HTTPS://[", "http://[v1.x]/", "http://xn--/",
    ):  # fmt: skip
        with pytest.raises(AudioError, match="download of") as caught:
            expand_inputs(url)[0].load()
        assert str(caught.value).isprintable()
    with pytest.raises(AudioError, match="above zero"):
        download("http://127.0.0.1/", timeout_s=0)


@pytest.mark.parametrize("path", ["/silent", "/slow-header", "/slow-body", "/slow-unstated"])
def test_the_time_limit_covers_everything(server: str, path: str) -> None:
    start = time.monotonic()
    with pytest.raises(AudioError, match=r"took longer than 0\.4 s"):
        download(server + path, timeout_s=0.4)
    assert time.monotonic() - start < 2.0


def test_the_size_limit(server: str) -> None:
    with pytest.raises(AudioError, match="larger than 5000 bytes"):
        download(server + "/a.wav", max_bytes=5000)
    with pytest.raises(AudioError, match="larger than 300000 bytes"):
        download(server + "/endless", max_bytes=300000)
    assert len(download(server + "/a.wav", max_bytes=len(WAV))) == len(WAV)


def test_time_limits_of_any_size(server: str) -> None:
    for limit in (float("inf"), 1e300, np.float32(5), 10**400):
        assert download(server + "/a.wav", timeout_s=limit) == WAV


def test_a_deadline_ends_it(server: str) -> None:
    with pytest.raises(DeadlineExceededError):
        download(server + "/slow-body", deadline=time.monotonic() + 0.3)


@pytest.mark.parametrize("path", ["/silent", "/slow-body"])
def test_who_gives_up_ends_it(server: str, path: str) -> None:
    given_up = threading.Event()
    timer = threading.Timer(0.2, given_up.set)
    timer.start()
    with unless(given_up.is_set), pytest.raises(CancelledError):
        download(server + path)
    timer.join()


@pytest.mark.parametrize("end", ["limit", "deadline", "cancel"])
def test_looking_up_a_name_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: go_on.wait(60) and [])
    monkeypatch.setenv("no_proxy", "*")
    options: dict[str, Any] = {
        "limit": {"timeout_s": 0.2},
        "deadline": {"deadline": time.monotonic() + 0.2},
        "cancel": {},
    }[end]
    begun = time.monotonic()
    kinds = {"limit": AudioError, "deadline": DeadlineExceededError, "cancel": CancelledError}
    with (
        unless(lambda: end == "cancel" and time.monotonic() > begun + 0.2),
        pytest.raises(kinds[end]),
    ):
        download("http://slow.example/a.wav", **options)
    assert not go_on.is_set()
    go_on.set()


def test_utterances_at_urls(server: str) -> None:
    (one,) = expand_inputs(f"{server}/sound%20one.wav?x=1")
    assert one.key == "sound one"
    np.testing.assert_array_equal(one.load(), load_audio(WAV))
    good, missing = expand_inputs(f"{server}/list.scp")
    assert (good.key, missing.key) == ("one", "two")
    np.testing.assert_array_equal(good.load(), load_audio(WAV))
    with pytest.raises(AudioError, match=r"input 1 \(key 'two'\): .*404"):
        missing.load()
    (entry,) = expand_inputs(f"{server}/list.jsonl")
    assert entry.key.startswith("rand_key_")
    (limited,) = expand_inputs(f"{server}/slow-body", timeout_s=0.2)
    with pytest.raises(AudioError, match=r"took longer than 0\.2 s"):
        limited.load()


def test_list_files_from_urls_name_urls_only(server: str) -> None:
    with pytest.raises(NotAllowedError, match=r"entry 2: .*URLs only, got '/etc/hostname'"):
        expand_inputs(f"{server}/local.scp?{SECRET}")
    (one,) = expand_inputs(f"{server}/itself.scp")
    with pytest.raises(AudioError, match="cannot be decoded"):
        one.load()
    with pytest.raises(DeadlineExceededError):
        expand_inputs(f"{server}/slow.scp", deadline=time.monotonic() + 0.3)


def test_threads_download_at_once(server: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: download(server + "/a.wav"), range(40)))
    assert bodies == [WAV] * 40
    until(lambda: "safeasr-connect" not in {thread.name for thread in threading.enumerate()})
