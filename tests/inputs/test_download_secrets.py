"""What downloads keep to themselves, and where they do not go."""

from __future__ import annotations

import logging
import socket
import time
import traceback
from collections.abc import Iterator

import pytest

from safeasr.errors import AudioError, NotAllowedError
from safeasr.inputs.download import download
from safeasr.inputs.expand import expand_inputs
from safeasr.options.access import access
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


def _everything_said(error: BaseException) -> str:
    said = "".join(traceback.format_exception(error))
    while error is not None:  # also what is not printed
        said += repr(error) + str(error) + repr(vars(error))
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return said


@pytest.mark.parametrize(
    "path",
    ["/none.wav", "/status/503", "/loop", "/moved-with-secret", "/no-http", "/short.wav",
     "/to/http://[::1", f"/to/ftp://u:{SECRET}@h/", "/half-gzip", "/slow-body", "/rude"],
)  # fmt: skip
def test_nothing_shows_what_is_secret(
    server: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = server.replace("http://", f"http://user:{SECRET}@")
    url = f"{address}{path}?token={SECRET}#{SECRET}"
    if path.startswith("/to/"):
        url = address + path  # what the server redirects to is what is secret
    with pytest.raises(AudioError) as caught:
        expand_inputs(url)[0].load(deadline=time.monotonic() + 60) if path != "/slow-body" else (
            download(url, timeout_s=0.3)
        )
    said = str(caught.value) if path.startswith("/to/ftp") else _everything_said(caught.value)
    assert SECRET not in said.replace(path, "")
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "url",
    [f"http://user:{SECRET}@[::1/a.wav", f"http://user:{SECRET}/x@h/a.wav",
     f"http://user:{SECRET}?x@h/a.wav", f"http://h:{SECRET}/", f"HTTP://u:{SECRET}@/a?{SECRET}",
     f"http://h:99999/?{SECRET}", f"http://127.0.0.1:1/a.wav?{SECRET}"],
)  # fmt: skip
def test_nothing_shows_what_may_be_secret_in_malformed_urls(url: str) -> None:
    with pytest.raises(AudioError) as caught:
        download(url, timeout_s=3)
    assert SECRET not in _everything_said(caught.value)


def test_messages_name_the_host_and_path(server: str) -> None:
    url = server.replace("http://", f"http://user:{SECRET}@") + f"/none.wav?token={SECRET}"
    with pytest.raises(AudioError, match=f"{server}/none.wav' failed"):
        download(url)


def test_hosts_that_may_not_be_asked(web: Server) -> None:
    public, listed = access("public", True), access(["audio.example", ".lan"], True)
    for allowed in (access(False, True), access([], True), public, listed):
        with pytest.raises(NotAllowedError, match="allow_urls"):
            download(f"{web.url}/a.wav?{SECRET}", access=allowed)
    assert web.asked == []
    mine = access(["127.0.0.1"], False)
    assert download(f"{web.url}/moved", access=mine) == WAV
    for elsewhere in ("localhost", "169.254.169.254", "audio.example"):
        with pytest.raises(NotAllowedError, match="not among"):
            download(f"{web.url}/to/http://{elsewhere}:1/a.wav", access=mine)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1",
                "64:ff9b::7f00:1", "2002:7f00:1::", "100.64.0.1", "0.0.0.0", "224.0.1.1"]
)  # fmt: skip
def test_names_of_private_addresses_are_not_public(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The address that is checked is the one that is connected to."""
    monkeypatch.setenv("no_proxy", "*")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(NotAllowedError, match="not public"):
        download("http://looks-public.example/a.wav", access=access("public", True))


def test_proxies_are_those_of_the_environment(web: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", web.url.replace("http://", f"http://u:{SECRET}@"))
    with pytest.raises(AudioError, match="404"):  # which takes the whole URL for a path
        download("http://far.example/a.wav")
    assert web.asked == ["http://far.example/a.wav"]
    for broken in ("socks5://127.0.0.1:1", "http://127.0.0.1:1", f"http://u:{SECRET}@[::1"):
        monkeypatch.setenv("http_proxy", broken)
        with pytest.raises(AudioError) as caught:
            download("http://far.example/a.wav")
        assert SECRET not in _everything_said(caught.value)
