"""Messages in any order: each end is answered with one final message, each commit with one turn."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from safeasr.serve import Limits
from support.serve_clients import END, Realtime, open_ws
from support.serving import InThread, app_in_thread
from support.waiting import until

_PCM = bytes(range(256)) * 30
_ITEM = "conversation.item.input_audio_transcription."
#: What a client may do wrong.
_EXPECTED = {
    "input_audio_buffer_commit_empty",
    "invalid_audio",
    "invalid_json",
    "invalid_option",
    "invalid_value",
    "model_not_found",
    "too_large",
    "unknown_event",
}


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    limits = Limits(max_buffered_bytes=len(_PCM) * 4, max_message_bytes=1 << 20)
    with app_in_thread(limits=limits) as one:
        yield one
        gate = one.service.gate
        until(lambda: not (gate.connections or gate.requests or gate.utterances))
        until(lambda: not (one.model.open_streams or one.model.calls))


_SAID: list[str | bytes] = [
    END,
    END,
    '{"is_speaking": false, "is_end": true}',
    '{"is_finished": true, "mode": "offline"}',
    '{"mode": "2pass"}',
    '{"mode": "online", "chunk_size": [5, 10, 5], "hotwords": {"a": 1}}',
    '{"mode": "offline", "wav_name": "w"}',
    '{"wav_format": "mp3"}',
    '{"wav_format": "pcm", "audio_fs": 8000}',
    '{"audio_fs": "x", "is_speaking": false}',
    '{"is_speaking": true}',
    "no JSON",
    "[]",
    b"",
    b"R",
    b"RIFF",
    _PCM[:1],
    _PCM[:999],
    _PCM,
    _PCM,
    _PCM * 3,
]


@pytest.mark.parametrize("seed", range(25))
def test_funasr(running: InThread, seed: int) -> None:
    chance = random.Random(seed)
    said = [*chance.choices(_SAID, k=40), END]
    ends = [one for one in said if isinstance(one, str) and ("false" in one or "finished" in one)]
    finals: list[dict[str, Any]] = []
    with open_ws(running.ws) as connection:
        for one in said:
            connection.send(one)
        while len(finals) < len(ends):
            message = json.loads(connection.recv(60))
            if message["is_final"]:
                finals.append(message)
            if "error" in message:
                assert message["error"]["code"] in _EXPECTED, message
                assert message["text"] == "" and not message["is_final"]
        connection.send("no JSON")
        assert "invalid_json" in str(connection.recv(60))  # no final message too many
    asked = ["is_end" in one for one in ends]
    assert [bool(one.get("is_end")) for one in finals] == asked


def _event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields})


def _update(**heard: Any) -> str:
    return _event("session.update", session={"type": "transcription", "audio": {"input": heard}})


_COMMIT = _event("input_audio_buffer.commit")
_EVENTS = [
    _COMMIT,
    _COMMIT,
    _event("input_audio_buffer.clear"),
    *[
        _event("input_audio_buffer.append", audio=base64.b64encode(data).decode())
        for data in (b"", _PCM[:1], _PCM, _PCM, _PCM * 2)
    ],
    _update(turn_detection=None),
    _update(turn_detection={"type": "server_vad"}),
    _update(format={"type": "audio/pcmu"}),
    _update(format={"type": "audio/pcm", "rate": 16000}),
    _update(transcription={"model": "none"}),
    _event("response.create"),
    "no JSON",
]


@pytest.mark.parametrize("seed", range(25))
def test_realtime(running: InThread, seed: int) -> None:
    chance = random.Random(seed)
    with Realtime(f"{running.ws}/v1/realtime") as client:
        for one in chance.choices(_EVENTS, k=40):
            client.connection.send(one)
        # Commits what is left, and ends all turns before it is answered.
        client.connection.send(_update(turn_detection=None, transcription={"prompt": "the last"}))
        while "the last" not in json.dumps(client.next()):
            pass
    for event in client.of("error"):
        assert event["error"]["code"] in _EXPECTED, event
    items = [event["item_id"] for event in client.of("input_audio_buffer.committed")]
    before = [event["previous_item_id"] for event in client.of("input_audio_buffer.committed")]
    done = [event["item_id"] for event in client.of(_ITEM + "completed")]
    assert before == [None, *items[:-1]][: len(items)]
    assert sorted(done) == sorted(set(items))
    assert not list(client.of(_ITEM + "failed"))
