"""Several models by name; loaded when asked for; reloaded while they serve."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.bench_servers import recognised
from support.made_up_model import MadeUpModel
from support.serve_clients import END, Realtime, ask, open_ws, until_final
from support.serving import InThread, app_in_thread
from support.waiting import until

_PCM = bytes(range(256)) * 100
_KEY = {"Authorization": "Bearer key"}


class Counted(MadeUpModel):
    """Takes a moment to load; the process has only so many at a time."""

    loading = 0
    most = 0
    lock = threading.Lock()

    def __init__(self, **arguments: Any) -> None:
        with Counted.lock:
            Counted.loading += 1
            Counted.most = max(Counted.most, Counted.loading)
        time.sleep(0.05)
        with Counted.lock:
            Counted.loading -= 1
        super().__init__(**arguments)


@pytest.fixture
def running() -> Iterator[InThread]:
    models = {"a": {"model": "a"}, "b": {"model": "b"}}
    with app_in_thread(
        Counted, models=models, on_demand=frozenset({"b"}), api_keys=("key",)
    ) as one:
        yield one


def post(running: InThread, name: str) -> str:
    url = "/v1/audio/transcriptions"
    files = {"file": ("a", b"abc")}
    return str(running.http.post(url, files=files, data={"model": name}, headers=_KEY).text)


def test_a_model_that_many_ask_for_at_once_is_loaded_once(running: InThread) -> None:
    assert len(running.models) == 1
    found = running.http.get("/v1/models", headers=_KEY).json()["data"]
    assert [(one["id"], one["loaded"]) for one in found] == [("a", True), ("b", False)]
    Counted.most = 0
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(post, running, "b") for _ in range(4)]
        asked += [pool.submit(ask, f"{running.ws}/?model=b&api_key=key", _PCM) for _ in range(4)]
        assert all(one.result() for one in asked)
    assert [model.arguments["model"] for model in running.models] == ["a", "b"]
    assert Counted.most == 1 and len(running.models[1].asked) == 8
    assert not running.models[0].asked


@pytest.mark.parametrize("name, number", [("a", 0), ("b", 1), ("whisper-1", 0), ("gpt-x", 0)])
def test_names(running: InThread, name: str, number: int) -> None:
    ask(f"{running.ws}/?model=b&api_key=key", _PCM)
    for model in running.models:
        model.asked.clear()
    post(running, name)
    ask(f"{running.ws}/asr?model={name}&api_key=key", _PCM)
    with Realtime(f"{running.ws}/v1/realtime?model={name}", additional_headers=_KEY) as client:
        client.update(turn_detection=None)
        client.append(_PCM)
        client.send("input_audio_buffer.commit")
        client.wait("conversation.item.input_audio_transcription.completed")
    assert [len(model.asked) for model in running.models] == [3 * (number == 0), 3 * (number == 1)]


def test_a_reload_drops_no_session(running: InThread) -> None:
    """Who uses the old model keeps it until the end; who comes later gets the new one."""
    old = running.model
    with open_ws(f"{running.ws}/?api_key=key") as live:
        live.send(_PCM)
        assert json.loads(live.recv(30))["text"] == "12800"
        old.hold()
        with ThreadPoolExecutor(1) as pool:
            before = pool.submit(post, running, "a")
            until(lambda: old.calls == 1)
            reloaded = running.http.post("/v1/models/a/reload", headers=_KEY)
            assert reloaded.status_code == 200 and reloaded.json()["id"] == "a"
            new = running.model
            assert new is not old and not old.closed
            assert recognised(b"abc") in post(running, "a") and len(new.asked) == 1
            old.release()
            assert recognised(b"abc") in before.result()
        live.send(_PCM)
        live.send(END)
        assert until_final(live)[-1]["text"] == "12800 12800"
        until(lambda: old.closed)
        live.send(_PCM)  # the next utterance of the same connection is the new model's
        live.send(END)
        assert until_final(live)[-1]["text"] == "12800" and len(new.asked) == 2
    assert not new.closed


def test_a_reload_that_fails_changes_nothing(running: InThread) -> None:
    old = running.model
    running._make = lambda **arguments: 1 / 0  # type: ignore[assignment]
    failed = running.http.post("/v1/models/a/reload", headers=_KEY)
    assert failed.status_code == 500 and failed.json()["error"]["code"] == "internal_error"
    assert recognised(b"abc") in post(running, "a") and not old.closed
    assert running.http.post("/v1/models/c/reload", headers=_KEY).status_code == 404
