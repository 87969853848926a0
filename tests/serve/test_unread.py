"""Who is answered before all of an upload has come hears the answer, not that the line broke."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from safeasr.serve import Limits, unread
from support.raw_sockets import raw_http
from support.serving import InThread, app_in_thread
from support.waiting import until

_MOST = 32 << 20  # much more than the kernel keeps for both sides
_URL = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    limits = Limits(max_upload_bytes=_MOST, idle_s=0.5, max_requests=1)
    with app_in_thread(limits=limits, api_keys=("secret",)) as one:
        yield one


def _head(path: str, *headers: str, key: str = "secret", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *headers]
    lines.append("Content-Type: multipart/form-data; boundary=b")
    return "\r\n".join([*lines, "", ""]).encode()


def _file(size: int) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n" + bytes(size)


def _answer(one: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """The whole of it, until its length says that this is all."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := one.recv(4096))
        assert more, data
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += one.recv(4096)
    return int(status.split()[1]), headers, body


_CASES = {
    "too large": (_URL, {}, 413),
    "no key": (_URL, {"key": "wrong"}, 401),
    "no such place": ("/v2/audio", {}, 404),
    "wrong method": (_URL, {"method": "PUT"}, 405),
}


@pytest.mark.parametrize("stated", [True, False], ids=["length stated", "in chunks"])
@pytest.mark.parametrize("case", _CASES)
def test_clients_that_read_only_behind_their_upload(
    running: InThread, case: str, stated: bool
) -> None:
    path, how, status = _CASES[case]
    body = _file(2 * _MOST if status == 413 else _MOST)
    with raw_http(running.port) as one:
        if stated:
            one.sendall(_head(path, f"Content-Length: {len(body)}", **how) + body)
        else:
            one.sendall(_head(path, "Transfer-Encoding: chunked", **how))
            one.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        found, headers, text = _answer(one)
        assert (found, headers["connection"]) == (status, "close")
        assert json.loads(text)["error"]["message"]
        assert one.recv(1) == b""


def test_a_server_without_room(running: InThread) -> None:
    """Its place is free again while the rest is being read."""
    body = _file(_MOST)
    with running.service.gate.request("somebody else"), raw_http(running.port) as one:
        one.sendall(_head(_URL, f"Content-Length: {len(body)}") + body)
        assert _answer(one)[0] == 503
    until(lambda: not running.service.gate.requests)


def test_the_answer_comes_at_once(running: InThread) -> None:
    """Whoever looks for it while still sending may stop; so does curl, which asks first."""
    with raw_http(running.port) as one:
        expect = "Expect: 100-continue"
        one.sendall(_head(_URL, f"Content-Length: {2 * _MOST}", expect))
        assert _answer(one)[0] == 413
        assert not running.service.gate.uploads
        one.sendall(bytes(100_000))
    until(lambda: not running.sockets())


@pytest.mark.parametrize("pause", [True, False])
def test_an_upload_without_an_end(
    running: InThread, monkeypatch: pytest.MonkeyPatch, pause: bool
) -> None:
    monkeypatch.setattr(unread, "_PAUSE_S" if pause else "_READ_S", 0.3)
    with raw_http(running.port) as one, contextlib.suppress(ConnectionError):
        one.sendall(_head(_URL, f"Content-Length: {_MOST << 20}"))
        assert _answer(one)[0] == 413
        began = time.monotonic()
        while not pause:
            assert time.monotonic() - began < 60
            one.sendall(bytes(1000))
            time.sleep(0.01)
        assert one.recv(1) == b""
    until(lambda: not running.sockets())


def test_an_upload_that_stops(running: InThread) -> None:
    """Said in time, and the line is closed, whatever its size."""
    for size in (1000, 900 << 10):
        with raw_http(running.port) as one:
            one.sendall(_head(_URL, f"Content-Length: {size}") + _file(10))
            status, headers, _ = _answer(one)
            assert (status, headers["connection"]) == (408, "close")
    until(lambda: not running.sockets())


def test_small_refusals_cost_no_connection(running: InThread) -> None:
    with httpx.Client(base_url=running.url) as client:
        for _ in range(3):
            found = client.post(_URL, files={"file": ("a", bytes(1000))})
            assert found.status_code == 401 and "connection" not in found.headers
        assert running.sockets() == 1
