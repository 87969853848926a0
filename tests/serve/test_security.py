"""What must not come into the server, and what must not leave it."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from safeasr.serve import Limits, listening
from support.raw_sockets import raw_http
from support.serve_clients import END, Realtime, ask, open_ws, until_final
from support.serving import InThread, Server, app_in_thread

_PCM = bytes(range(256)) * 100


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    with app_in_thread() as one:
        yield one


# -- What comes in --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/etc/passwd", "http://127.0.0.1:1/a.wav", "file:///etc/passwd"])
def test_files_and_addresses_of_the_server(demo_server: Server, name: str, tmp_path: Path) -> None:
    """Are only bytes or names, wherever they stand."""
    url = "/v1/audio/transcriptions"
    found = demo_server.http.post(url, data={"file": name})
    assert found.status_code in (400, 415) and name not in found.text
    for upload in ((name, b"abc"), ("a.scp", f"a {name}\n".encode()), ("a.txt", name.encode())):
        found = demo_server.http.post(url, files={"file": upload})
        assert found.status_code == 400 and found.json()["error"]["code"] == "invalid_audio"
        assert name not in found.text and "root:" not in found.text
    for mode in ("offline", "2pass"):
        message = {"mode": mode, "wav_name": name, "wav_format": "others", "hotwords": name}
        found_ws = ask(demo_server.ws, message, name.encode() * 10)
        assert found_ws[0]["error"]["code"] == "invalid_audio" and found_ws[-1]["text"] == ""


def test_hotwords_are_never_files(running: InThread) -> None:
    """The library would read a text that ends like this; a list it takes as it is."""
    name = "/etc/hotwords.txt"
    running.model.asked.clear()
    ask(running.ws, {"hotwords": name}, _PCM)
    url = "/v1/audio/transcriptions"
    running.http.post(url, files={"file": ("a", b"abc")}, data={"prompt": name, "keywords": name})
    assert [one["hotword"] for one in running.model.asked] == [[name], [name]]
    assert running.model.arguments["allow_paths"] is running.model.arguments["allow_urls"] is False


_NAMES = [
    "a\r\nX-Evil: 1",
    "a\nb\x1b[2Jc\u202ed",
    "\ud800 half a pair",
    "<script>alert(1)</script>",
    "x" * 100_000,
    "",
]


@pytest.mark.parametrize("name", _NAMES, ids=lambda one: repr(one)[:20])
def test_names(running: InThread, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A client's words come back as data, on one line of a log at most."""
    with caplog.at_level(logging.INFO, "safeasr"):
        for mode in ("offline", "2pass", name):
            fields = {"mode": mode, "wav_name": name, "hotwords": name, "svs_lang": name}
            found = ask(running.ws, {**fields, "audio_fs": 1}, _PCM)
            assert found[-1]["text"] and len(found[-1]["wav_name"]) < 600
        with Realtime(f"{running.ws}/v1/realtime") as client:
            client.next()
            spoken = {"language": name, "prompt": name, "keywords": [name], "model": name}
            client.send("session.update", session={"audio": {"input": {"transcription": spoken}}})
            assert client.next()["type"] in ("error", "session.updated")
            client.send(name, event_id=name)
            assert client.next()["type"] == "error"
        if "\ud800" not in name:
            url = "/v1/audio/transcriptions"
            data = {"model": name[:1000], "language": name[:1000], "prompt": name}
            found = running.http.post(url, files={"file": (name[:1000] or "a", b"abc")}, data=data)
            assert found.status_code in (200, 404) and "x-evil" not in found.headers
    lines = [one.getMessage() for one in caplog.records]
    assert lines and all(line.isprintable() for line in lines), lines


_DEEP = [480, 985, 1000, 100_000]


@pytest.mark.parametrize("depth", _DEEP)
def test_deep_json(running: InThread, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    fields = ("is_speaking", "is_end", "wav_name", "hotwords", "chunk_size", "mode", "itn", "other")
    for field in fields:
        message = f'{{"{field}": {nested}}}'
        assert ask(running.ws, message, _PCM)[-1]["text"]
    assert ask(running.ws, {"hotwords": nested}, _PCM)[-1]["text"]
    with Realtime(f"{running.ws}/v1/realtime") as client:
        client.next()
        for message in (nested, f'{{"type": {nested}}}', f'{{"type": "x", "event_id": {nested}}}'):
            client.connection.send(message)
            assert client.next()["type"] == "error"
        for field in ("model", "language", "prompt", "keywords"):
            spoken = f'{{"audio": {{"input": {{"transcription": {{"{field}": {nested}}}}}}}}}'
            client.connection.send(f'{{"type": "session.update", "session": {spoken}}}')
            assert client.next()["type"] in ("error", "session.updated")
    url = "/v1/audio/transcriptions"
    files = {"file": ("a", b"abc")}
    for field in ("keywords", "chunking_strategy", "timestamp_granularities"):
        assert running.http.post(url, files=files, data={field: nested}).status_code in (200, 400)


def test_too_much_of_everything(running: InThread) -> None:
    """Is refused, and nothing of it is kept."""
    url = "/v1/audio/transcriptions"
    many = [("file", (f"{number}", b"abc")) for number in range(5)]
    assert running.http.post(url, files=many).status_code == 400
    file = {"file": ("a", b"abc")}
    assert running.http.post(url, files=file, data={"prompt": "w" * (2 << 20)}).status_code == 400
    fields = {f"f{number}": "x" for number in range(20_001)}
    assert running.http.post(url, files=file, data=fields).status_code == 400
    assert running.http.post(url, files=file).status_code == 200


def test_heads_without_an_end(running: InThread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any length, or of any duration."""
    with raw_http(running.port) as one:
        one.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            one.sendall(b"x: y\r\n" * 5_000_000)
    assert running.http.get("/health", headers={"x": "y" * 50_000}).status_code == 200
    monkeypatch.setattr(listening, "_HEAD_S", 0.5)
    for head in (b"", b"GET / HTTP/1.1\r\nx: y"):
        with raw_http(running.port) as one:
            one.sendall(head)
            with suppress(ConnectionError):
                assert one.recv(1) == b""
    with httpx.Client(base_url=running.url) as client:  # the time is a head's, not a connection's
        client.get("/health")
        time.sleep(0.7)
        assert client.get("/health").status_code == 200
        assert len(running.service.shelf.served()) == 1
    with open_ws(running.ws) as connection:
        time.sleep(0.7)
        connection.send(_PCM)
        connection.send(END)
        assert until_final(connection)[-1]["text"]


def test_uploads_that_are_too_large() -> None:
    """By what their head says, or by what comes; the answer arrives all the same."""
    with app_in_thread(limits=Limits(max_upload_bytes=1 << 20)) as running:
        url = "/v1/audio/transcriptions"
        found = running.http.post(url, files={"file": ("a", bytes(3 << 20))})
        assert found.status_code == 413 and found.json()["error"]["code"] == "too_large"

        def chunks() -> Iterator[bytes]:
            yield b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
            for _ in range(30):
                yield bytes(100_000)

        headers = {"content-type": "multipart/form-data; boundary=b"}
        found = running.http.post(url, headers=headers, content=chunks())
        assert found.status_code == 413
        assert running.http.post(url, files={"file": ("a", bytes(1 << 20))}).status_code == 200


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1, 2", ""])
def test_odd_lengths(running: InThread, length: str) -> None:
    with raw_http(running.port) as one:
        one.sendall(f"POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        one.shutdown(socket.SHUT_WR)
        answer = one.recv(4000)
        assert answer == b"" or answer[9:12] in (b"400", b"413", b"415"), answer


# -- What goes out --------------------------------------------------------------------------------


def test_request_ids(running: InThread) -> None:
    """The client's, if it is one; otherwise the server's own."""
    url = "/v1/models"
    for given in ("abc-1.2:3_4", "x" * 64):
        assert (
            running.http.get(url, headers={"X-Request-Id": given}).headers["x-request-id"] == given
        )
    for given in ("x" * 65, "a b", "<a>", "", "é"):
        found = running.http.get(url, headers={"X-Request-Id": given.encode()})
        assert found.headers["x-request-id"].startswith("req_")
    ids = {running.http.get(url).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("path", ["/page/..%2fsettings.py", "/page/../settings.py", "/%2e%2e/x"])
def test_no_files_but_the_page(running: InThread, path: str) -> None:
    with raw_http(running.port) as one:
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert b" 404 " in one.recv(4000)


def test_a_path_in_the_log(running: InThread, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "safeasr"):
        running.http.get("/a%0d%0aforged%1b[2J")
    assert all(one.getMessage().isprintable() for one in caplog.records)


def test_other_pages(running: InThread) -> None:
    """May use the server only if the operator said so."""
    headers = {"Origin": "https://evil.example"}
    assert "access-control-allow-origin" not in running.http.get("/health", headers=headers).headers
    with app_in_thread(cors_origins=("https://good.example",)) as other:
        for origin, allowed in (("https://good.example", True), ("https://evil.example", False)):
            found = other.http.get("/health", headers={"Origin": origin})
            assert ("access-control-allow-origin" in found.headers) == allowed
