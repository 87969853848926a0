"""Workers that fail, full queues, full disks: what clients hear of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from safeasr.errors import InferenceError, QueueFullError, SafeASRError
from safeasr.serve import Limits
from safeasr.serve import spool as spool_module
from support.made_up_model import MadeUpModel
from support.serve_clients import END, Realtime, ask, frames, open_ws, until_final
from support.serving import InThread, app_in_thread
from support.waiting import until

_PCM = bytes(range(256)) * 100
_ITEM = "conversation.item.input_audio_transcription."


@pytest.fixture
def running() -> Iterator[InThread]:
    with app_in_thread() as one:
        yield one


def post(running: InThread, file: bytes = b"abc", **options: Any) -> httpx.Response:
    files = {"file": ("a.wav", file)}
    return running.http.post("/v1/audio/transcriptions", files=files, **options)


# -- Workers --------------------------------------------------------------------------------------

_FAULTS = [
    (InferenceError("secret"), "inference_failed"),
    (RuntimeError("secret"), "internal_error"),
    (QueueFullError("secret"), "queue_full"),
]


@pytest.mark.parametrize("fault, code", _FAULTS, ids=lambda one: str(one))
@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
def test_a_worker_that_fails(running: InThread, mode: str, fault: Exception, code: str) -> None:
    """Each failure is told; the last message comes; the connection serves the next utterance."""
    with open_ws(running.ws) as connection:
        for broken in (True, False):
            running.model.fault = fault if broken else None
            connection.send(json.dumps({"mode": mode, "wav_name": "w"}))
            connection.send(_PCM)
            connection.send('{"is_speaking": false, "is_end": true}')
            found = until_final(connection)
            errors = [one for one in found if "error" in one]
            assert {one["error"]["code"] for one in errors} == ({code} if broken else set())
            assert not any(one["is_final"] or one["text"] for one in errors)
            assert "secret" not in json.dumps(found)
            assert "error" not in found[-1] and found[-1]["is_end"]
            assert bool(found[-1]["text"]) is not broken


def test_a_worker_that_fails_once(running: InThread) -> None:
    """A piece of live speech is lost, the rest is not."""
    with open_ws(running.ws) as connection:
        connection.send(_PCM)
        assert json.loads(connection.recv(30))["text"]
        running.model.fault = InferenceError("x")
        connection.send(_PCM)
        assert json.loads(connection.recv(30))["error"]["code"] == "inference_failed"
        running.model.fault = None
        connection.send(_PCM)
        assert json.loads(connection.recv(30))["text"]
        connection.send(END)
        assert until_final(connection)[-1]["text"] == "12800 12800"


@pytest.mark.parametrize("detector", [None, {"type": "server_vad"}])
@pytest.mark.parametrize("fault, code", _FAULTS, ids=lambda one: str(one))
def test_realtime(running: InThread, detector: Any, fault: Exception, code: str) -> None:
    with Realtime(f"{running.ws}/v1/realtime") as client:
        client.update(turn_detection=detector)
        running.model.fault = fault
        client.append(_PCM)
        client.send("input_audio_buffer.commit")
        committed = client.wait("input_audio_buffer.committed")
        failed = client.wait(_ITEM + "failed")
        assert failed["item_id"] == committed["item_id"] and failed["error"]["code"] == code
        assert "secret" not in json.dumps(client.heard)
        running.model.fault = None
        client.append(_PCM)
        client.send("input_audio_buffer.commit")
        while not any(client.transcripts):
            client.next()


@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_a_model_that_cannot_be_loaded(mode: str) -> None:
    """One that is loaded on demand; the others serve."""

    def load(**arguments: Any) -> MadeUpModel:
        if arguments.get("model") == "broken":
            raise SafeASRError("secret")
        return MadeUpModel(**arguments)

    models = {"good": {"model": "good"}, "bad": {"model": "broken"}}
    with app_in_thread(load, models=models, on_demand=frozenset({"bad"})) as running:
        found = ask(f"{running.ws}/?model=bad", {"mode": mode}, *frames(_PCM, 1000))
        errors = [one["error"]["code"] for one in found if "error" in one]
        assert errors == ["model_unavailable"] and len(found) == 2
        found = ask(f"{running.ws}/?model=none", {"mode": mode}, *frames(_PCM, 1000))
        assert [one["error"]["code"] for one in found if "error" in one] == ["model_not_found"]
        assert ask(running.ws, {"mode": mode}, _PCM)[-1]["text"]
        assert post(running, data={"model": "bad"}).status_code == 503
        assert running.service.gate.utterances == 0


# -- Queues ---------------------------------------------------------------------------------------


def test_a_full_server() -> None:
    """503 with Retry-After, for uploads and for recordings that come by websocket."""
    with app_in_thread(limits=Limits(max_requests=2)) as running, ThreadPoolExecutor(2) as pool:
        running.model.hold()
        inside = [pool.submit(post, running) for _ in range(2)]
        until(lambda: running.service.gate.requests == 2)
        refused = post(running)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "server_full"
        found = ask(running.ws, {"mode": "offline"}, _PCM)
        assert found[0]["error"]["code"] == "server_full" and len(found) == 2
        with Realtime(f"{running.ws}/v1/realtime") as client:
            client.update(turn_detection=None)
            client.append(_PCM)
            client.send("input_audio_buffer.commit")
            assert client.wait(_ITEM + "failed")["error"]["code"] == "server_full"
        running.model.release()
        assert [one.result().status_code for one in inside] == [200, 200]
        assert post(running).status_code == 200


def test_a_client_with_too_many() -> None:
    """429 for that one, by its key; others come in."""
    limits = Limits(max_requests_of_client=1)
    # Keys that end alike are clients of their own.
    with (
        app_in_thread(limits=limits, api_keys=("one-key", "two-key")) as running,
        ThreadPoolExecutor(2) as pool,
    ):
        one, two = ({"Authorization": f"Bearer {key}"} for key in ("one-key", "two-key"))
        running.model.hold()
        first = pool.submit(post, running, headers=one)
        until(lambda: running.service.gate.requests == 1)
        refused = post(running, headers=one)
        assert refused.status_code == 429 and refused.headers["retry-after"]
        assert refused.json()["error"]["type"] == "rate_limit_error"
        second = pool.submit(post, running, headers=two)
        until(lambda: running.service.gate.requests == 2)
        running.model.release()
        assert first.result().status_code == second.result().status_code == 200


def test_a_long_queue() -> None:
    with app_in_thread(limits=Limits(max_waiting=5)) as running:
        running.model.waiting = 6
        refused = post(running)
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "queue_full"
        running.model.waiting = 5
        assert post(running).status_code == 200


def test_too_many_connections() -> None:
    with app_in_thread(limits=Limits(max_connections=2)) as running:
        with open_ws(running.ws), Realtime(f"{running.ws}/v1/realtime"):
            for path in ("/", "/v1/realtime"):
                with pytest.raises(InvalidStatus) as refused, open_ws(running.ws + path):
                    pass
                response = refused.value.response
                assert response.status_code == 503 and response.headers["retry-after"]
                assert json.loads(response.body)["error"]["code"] == "server_full"
        until(lambda: running.service.gate.connections == 0)
        assert ask(running.ws, _PCM)[-1]["text"]


# -- Disks ----------------------------------------------------------------------------------------


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, temporary files are on a disk that is full."""

    def full(*_: object, **__: object) -> IO[bytes]:
        return open("/dev/full", "r+b", buffering=0)

    def fill() -> None:
        monkeypatch.setattr(tempfile, "TemporaryFile", full)
        monkeypatch.setattr(spool_module, "_IN_MEMORY", 10_000)

    return fill


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/asr"])
def test_a_full_disk_and_an_upload(
    running: InThread, full_disk: Callable[[], None], path: str
) -> None:
    assert post(running, bytes(3 << 20)).status_code == 200
    full_disk()
    found = running.http.post(path, files={"file": ("a", bytes(3 << 20))})
    assert found.status_code == 507 and found.json()["error"]["code"] == "no_space"
    assert found.headers["x-request-id"] and "full" not in found.text
    assert post(running).status_code == 200  # what is small needs no disk


def test_a_full_disk_and_a_recording(running: InThread, full_disk: Callable[[], None]) -> None:
    """By websocket: it is said once, and what came before is not taken for all of it."""
    full_disk()
    found = ask(running.ws, {"mode": "offline"}, *frames(bytes(64_000), 3000))
    assert found[0]["error"]["code"] == "no_space" and len(found) == 2
    assert found[1]["text"] == "" and found[1]["is_final"]
    assert ask(running.ws, {"mode": "offline"}, _PCM[:5000])[-1]["text"]


def test_a_full_disk_and_a_turn(running: InThread, full_disk: Callable[[], None]) -> None:
    full_disk()
    with Realtime(f"{running.ws}/v1/realtime") as client:
        client.update(turn_detection=None)
        client.append(_PCM[:18_000], 9000)
        assert client.next()["error"]["code"] == "no_space"
        client.send("input_audio_buffer.commit")
        assert client.next()["error"]["code"] == "input_audio_buffer_commit_empty"
