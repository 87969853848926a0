"""SIGTERM: no new work, what is under way ends as it should, then exit status 0."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from safeasr import AutoModel
from support.containers import sndfile_bytes
from support.raw_sockets import frame, raw_http, raw_ws
from support.serve_clients import (
    END,
    Realtime,
    frames,
    offline_text,
    open_ws,
    texts,
    two_pass_texts,
    until_final,
)
from support.serving import Server, server
from support.waiting import until

_ITEM = "conversation.item.input_audio_transcription."


@pytest.fixture
def start(own_cache: object) -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(server(*options))


def ready(running: Server) -> int:
    return running.http.get("/ready").status_code


def stats(running: Server) -> dict[str, Any]:
    return dict(running.http.get("/stats").json())


def close_code(connection: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(30)
    return None if closed.value.rcvd is None else closed.value.rcvd.code


def form(data: bytes, **fields: str) -> tuple[bytes, bytes]:
    """Head and body of an upload."""
    part = b"--b\r\nContent-Disposition: form-data; name="
    body = part + b"file; filename=a.wav\r\n\r\n" + data + b"\r\n"
    for name, value in fields.items():
        body += part + f"{name}\r\n\r\n{value}\r\n".encode()
    body += b"--b--\r\n"
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode(), body


def rest_of(one: Any) -> bytes:
    answer = b""
    while part := one.recv(1 << 16):
        answer += part
    return answer


@pytest.mark.slow
def test_under_load(
    start: Callable[..., Server], library: AutoModel, sentence: bytes, sentences: bytes
) -> None:
    running = start("--drain-s", "50")
    half = len(sentence) // 2 & ~1
    wav = sndfile_bytes("WAV", (np.frombuffer(sentences, "<i2") / 32768).astype(np.float32), 16000)
    head, body = form(wav)
    long_head, long_body = form(wav, stream="true")
    with (
        open_ws(running.ws) as resting,
        open_ws(running.ws) as live,
        open_ws(running.ws) as recording,
        open_ws(running.ws) as answering,
        Realtime(f"{running.ws}/v1/realtime") as detected,
        Realtime(f"{running.ws}/v1/realtime") as committed,
        raw_http(running.port) as upload,
        raw_http(running.port) as streamed,
    ):
        rate = {"type": "audio/pcm", "rate": 16000}
        detected.update(format=rate)
        committed.update(format=rate, turn_detection=None)
        live.send('{"mode": "2pass"}')
        recording.send('{"mode": "offline"}')
        for connection in (live, recording):
            connection.send(sentence[:half])
        for client in (detected, committed):
            client.append(sentence[:half], 6400)
        detected.wait("input_audio_buffer.speech_started")
        upload.sendall(head + body[: len(body) // 2])
        streamed.sendall(long_head + long_body)
        answering.send('{"mode": "offline"}')
        for part in frames(sentences * 4, 1 << 20):
            answering.send(part)
        begun = {"utterances": 5, "connections": 6}
        until(lambda: begun.items() <= stats(running).items())

        answering.send(END)
        running.tell(signal.SIGTERM)
        until(lambda: ready(running) == 503)
        assert running.http.get("/health").status_code == 200
        refused = running.http.post("/asr", files={"file": ("a", wav)})
        assert refused.status_code == 503 and refused.headers["retry-after"]
        assert refused.json()["error"]["code"] == "draining"
        for path in ("/", "/v1/realtime"):
            with pytest.raises(InvalidStatus) as status, open_ws(running.ws + path):
                pass
            assert status.value.response.status_code == 503
        assert close_code(resting) == 1001

        assert until_final(answering)[-1]["text"] == offline_text(library, sentences * 4)
        assert close_code(answering) == 1001
        for connection in (live, recording):
            connection.send(sentence[half:])
            connection.send(END)
        for client in (detected, committed):
            client.append(sentence[half:], 6400)
            client.send("input_audio_buffer.commit")
            client.wait(_ITEM + "completed")
        upload.sendall(body[len(body) // 2 :])
        expected = offline_text(library, sentence)
        assert until_final(recording)[-1]["text"] == expected
        assert texts(until_final(live), "2pass-offline") == two_pass_texts(library, sentence)[1]
        assert committed.transcripts == [expected.strip()]
        assert " ".join(detected.transcripts).strip()
        for one in (live, recording, detected.connection, committed.connection):
            assert close_code(one) == 1001
        whole = str(library.generate(wav)[0]["text"]).strip()
        answer = rest_of(upload)
        assert b" 200 OK" in answer and json.dumps(whole).encode() in answer
        assert rest_of(streamed).rstrip(b"\r\n0").endswith(b"[DONE]")
        assert running.process.wait(60) == 0
    assert "Traceback" not in running.log() and "cut off" not in running.log()


@pytest.mark.slow
def test_those_who_go_on_are_ended(
    start: Callable[..., Server], library: AutoModel, sentence: bytes
) -> None:
    """Before the drain's time is over, with the final message of what they have said."""
    running = start("--drain-s", "3")
    with (
        open_ws(running.ws) as live,
        open_ws(running.ws) as recording,
        Realtime(f"{running.ws}/v1/realtime") as detected,
        Realtime(f"{running.ws}/v1/realtime") as committed,
    ):
        rate = {"type": "audio/pcm", "rate": 16000}
        detected.update(format=rate)
        committed.update(format=rate, turn_detection=None)
        recording.send('{"mode": "offline"}')
        for connection in (live, recording):
            connection.send(sentence)
        for client in (detected, committed):
            client.append(sentence, 6400)
        detected.wait("input_audio_buffer.speech_started")
        until(lambda: stats(running)["utterances"] == 4)
        running.tell()
        expected = offline_text(library, sentence)
        assert until_final(recording)[-1]["text"] == expected
        assert texts(until_final(live), "2pass-offline") == two_pass_texts(library, sentence)[1]
        for client in (detected, committed):
            client.wait(_ITEM + "completed")
        assert committed.transcripts == [expected.strip()]
        for one in (live, recording, detected.connection, committed.connection):
            assert close_code(one) == 1001
        assert running.process.wait(60) == 0


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(start: Callable[..., Server], sentence: bytes) -> None:
    """Whoever speaks, does not come to the end of an upload, or does not read."""
    running = start("--drain-s", "600")
    with (
        open_ws(running.ws) as live,
        raw_http(running.port) as slow,
        raw_ws(running.port, receive_buffer=4096) as deaf,
    ):
        slow.sendall(form(bytes(1000))[0])
        deaf.settimeout(0.5)
        with suppress(TimeoutError):
            deaf.sendall(frame("no json") * 1_000_000)
        live.send(sentence)
        live.recv(30)
        running.tell()
        until(lambda: ready(running) == 503)
        assert running.end(signal.SIGINT) in (0, 128 + signal.SIGINT, -signal.SIGINT)


@pytest.mark.slow
def test_while_it_loads(own_cache: object) -> None:
    with server(ready=False) as running:
        until(lambda: "serves" in running.log())
        assert running.end() in (0, -signal.SIGTERM)
        assert "Traceback" not in running.log()


@pytest.mark.slow
def test_a_model_that_is_not_there(own_cache: object) -> None:
    """Ends with what is wrong, not with a server that never gets ready."""
    with server("--model", "/no/such/model", ready=False) as running:
        assert running.process.wait(60) != 0
        assert "/no/such/model" in running.log()


@pytest.mark.slow
def test_a_port_that_is_taken(demo_server: Server) -> None:
    with server("--port", str(demo_server.port), ready=False) as running:
        assert running.process.wait(60) != 0
        assert "in use" in running.log()
