"""Clients that flood, vanish, never read or never come to an end: nobody else notices."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from safeasr.serve import Limits
from support.bench_servers import recognised
from support.raw_sockets import frame, hang_up, raw_http, raw_ws
from support.serve_clients import END, Realtime, ask, frames, open_ws, texts
from support.serving import InThread, Server, app_in_thread
from support.waiting import until

_PCM = bytes(range(256)) * 100
_FIELDS = ("requests", "uploads", "connections", "utterances")


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    """With little patience."""
    limits = Limits(idle_s=1, upload_s=2, send_s=1, rest_s=1, max_message_bytes=1 << 20)
    with app_in_thread(limits=limits) as one:
        yield one


@pytest.fixture(autouse=True)
def all_is_let_go(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test nobody is inside any more, and the server serves."""
    yield
    if "running" not in request.fixturenames:
        return
    running: InThread = request.getfixturevalue("running")
    running.model.release()
    running.model.fault = None
    gate = running.service.gate
    until(lambda: not any(getattr(gate, name) for name in _FIELDS))
    until(lambda: not running.model.open_streams and not running.model.calls)
    until(lambda: not running.sockets())
    assert running.service.shelf.served()[0].users == 0
    assert ask(running.ws, _PCM)[-1]["text"]


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
def test_ten_thousand_tiny_frames(demo_server: Server, sentence: bytes, mode: str) -> None:
    expected = ask(demo_server.ws, {"mode": mode}, sentence)[-1]["text"]
    found = ask(demo_server.ws, {"mode": mode}, *frames(sentence, len(sentence) // 10_000 or 1))
    said = {"online": "2pass-online", "2pass": "2pass-offline"}.get(mode, mode)
    whole = "".join(texts(found, said))
    assert whole == expected if mode != "online" else whole.endswith(expected)


def test_a_frame_of_an_hour(running: InThread) -> None:
    """Too much for one message, and said so before it has come."""
    with raw_ws(running.port) as one:
        one.sendall(frame(bytes(1000), length=3600 * 32000))
        assert one.recv(100)[2:4] == (1009).to_bytes(2, "big")


def test_an_hour_in_pieces(tmp_path: Any) -> None:
    """It is kept on disk, and takes memory for some MB only."""
    with app_in_thread() as running:
        piece = bytes(range(256)) * 8192  # 2 MiB, about a minute
        found = ask(running.ws, {"mode": "offline"}, *[piece] * 55)
        assert found[-1]["text"] == recognised(piece * 55)


def test_a_recording_that_is_too_long() -> None:
    """Its end is dropped, not taken for another one."""
    with app_in_thread(limits=Limits(max_buffered_bytes=50_000, max_audio_s=1)) as running:
        for mode, code in (("offline", "too_large"), ("2pass", "audio_too_long")):
            found = ask(running.ws, {"mode": mode}, *frames(bytes(500_000), 5000))
            errors = [one["error"]["code"] for one in found if "error" in one]
            assert errors == [code] and found[-1]["text"] == ""
        with Realtime(f"{running.ws}/v1/realtime") as client:
            client.update(turn_detection=None)
            client.append(bytes(50_000), 50_000)
            client.append(bytes(1000))
            assert client.next()["error"]["code"] == "too_large"
            client.send("input_audio_buffer.commit")
            client.wait("conversation.item.input_audio_transcription.completed")


def test_a_client_that_never_reads(running: InThread) -> None:
    with raw_ws(running.port, receive_buffer=4096) as one:
        one.sendall(frame(json.dumps({"wav_name": "x" * 500})))
        with pytest.raises(ConnectionError):
            one.sendall(frame("no json") * 1_000_000)


def test_a_client_that_reads_no_events(running: InThread) -> None:
    """Of a streamed transcription."""
    running.model.words = 10_000
    body = b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc\r\n--b\r\n"
    body += b"Content-Disposition: form-data; name=stream\r\n\r\ntrue\r\n--b--\r\n"
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: "
    head += f"{len(body)}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
    with raw_http(running.port, receive_buffer=4096) as one:
        one.sendall(head.encode() + body)
        until(lambda: running.service.gate.requests == 1)
        until(lambda: running.service.gate.requests == 0)
    running.model.words = 0


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("first", ['{"mode": "offline"}', '{"mode": "2pass"}', "{}"])
@pytest.mark.parametrize("rude", [True, False])
def test_clients_that_vanish(running: InThread, first: str, end: bool, rude: bool) -> None:
    """In the middle of an utterance, and while they should wait for the answer."""
    running.model.hold()
    one = raw_ws(running.port)
    one.sendall(frame(first) + frame(_PCM) * 3 + (frame(END) if end else b""))
    until(lambda: running.service.gate.utterances == 1)
    hang_up(one) if rude else one.close()


def test_a_client_that_vanishes_while_the_model_is_behind(running: InThread) -> None:
    """Nothing is read from it then; what it said last is never reached."""
    running.model.hold()
    one = raw_ws(running.port)
    one.settimeout(0.5)
    try:
        for _ in range(1000):
            one.sendall(frame(_PCM))
    except TimeoutError:
        pass
    else:
        raise AssertionError("the server read all that it was given")
    hang_up(one)
    running.model.release()


@pytest.mark.parametrize("detector", [None, {"type": "server_vad"}])
def test_realtime_clients_that_vanish(running: InThread, detector: Any) -> None:
    running.model.hold()
    with Realtime(f"{running.ws}/v1/realtime") as client:
        client.update(turn_detection=detector)
        client.append(_PCM)
        client.send("input_audio_buffer.commit")
        until(lambda: running.service.gate.utterances == 1)
        hang_up(client.connection.socket.dup())


def test_uploads_that_are_broken_off(running: InThread, caplog: pytest.LogCaptureFixture) -> None:
    """While they arrive, and while they are answered: the work is taken back."""
    body = b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc\r\n--b--\r\n"
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    for length in (len(body), len(body) + 1000):
        running.model.hold()
        one = raw_http(running.port)
        one.sendall(head.format(length).encode() + body)
        until(lambda: running.service.gate.uploads == 1)
        if length == len(body):
            until(lambda: running.model.calls == 1)
        hang_up(one)
        until(lambda: running.service.gate.uploads == 0)
    assert not [one for one in caplog.records if one.exc_info]


def test_a_byte_now_and_then(running: InThread) -> None:
    """A message that does not come to its end ends the connection; an upload is told so."""
    with raw_ws(running.port) as one:
        one.sendall(frame(b"", length=1000))
        closed = trickle(one)
        assert (1008).to_bytes(2, "big") in closed
    with raw_http(running.port) as one:
        one.sendall(
            b"POST /asr HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
            b"Content-Disposition: form-data; name=file; filename=a\r\n\r\n"
        )
        answer = trickle(one)
        assert answer.startswith(b"HTTP/1.1 408") and b"connection: close" in answer.lower()


def trickle(one: socket.socket) -> bytes:
    """Send a byte every half second until something comes."""
    one.settimeout(0.5)
    while True:
        one.sendall(b"\0")
        try:
            return one.recv(4000)
        except TimeoutError:
            continue


def close_code(connection: ClientConnection) -> int | None:
    """Read until the server closes."""
    try:
        while True:
            connection.recv(30)
    except ConnectionClosed as closed:
        return None if closed.rcvd is None else closed.rcvd.code


def flood(connection: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            connection.send(_PCM)
            time.sleep(0.001)  # or the client reads nothing


def test_silent_clients(running: InThread) -> None:
    """Between utterances, in the middle of one, and before the first word of all."""

    def wait(messages: list[str | bytes]) -> int | None:
        with open_ws(running.ws) as connection:
            for message in messages:
                connection.send(message)
            return close_code(connection)

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(wait, ([], ["{}"], ["{}", _PCM]))) == [1008] * 3


def test_a_session_has_an_end() -> None:
    """However busy the client is."""
    with app_in_thread(limits=Limits(session_s=1)) as running, open_ws(running.ws) as connection:
        busy = threading.Thread(target=flood, args=(connection,))
        busy.start()
        assert close_code(connection) == 1008
        busy.join(60)


def test_five_hundred_connections_opened_and_dropped(running: InThread) -> None:
    def drop(number: int) -> None:
        one = raw_ws(running.port) if number % 2 else raw_http(running.port)
        if number % 3:
            one.sendall(frame(_PCM))
        hang_up(one) if number % 5 else one.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(drop, range(500)))
    assert httpx.get(f"{running.url}/ready", verify=False).status_code == 200
