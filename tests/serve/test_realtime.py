"""OpenAI's realtime transcription: sessions, turns and errors, in present words and the beta's."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from safeasr import AutoModel
from support.serve_clients import Realtime, frames, offline_text, pcm16, two_pass_texts
from support.serving import Server

_ITEM = "conversation.item.input_audio_transcription."
_BUFFER = "input_audio_buffer."


@pytest.fixture
def client(demo_server: Server) -> Any:
    with Realtime(f"{demo_server.ws}/v1/realtime?intent=transcription") as one:
        assert one.next()["type"] == "session.created"
        yield one


def at_rate(pcm: bytes, rate: int) -> bytes:
    samples = np.frombuffer(pcm, "<i2") / 32768
    return pcm16(soxr.resample(samples.astype(np.float32), 16000, rate))


def test_a_session(demo_server: Server) -> None:
    with Realtime(f"{demo_server.ws}/v1/realtime?model=gpt-4o-transcribe") as client:
        created = client.next()
        assert created["type"] == "session.created" and created["event_id"]
        session = created["session"]
        assert session["type"] == "transcription" and session["id"]
        heard = session["audio"]["input"]
        assert heard["format"] == {"type": "audio/pcm", "rate": 24000}
        assert heard["turn_detection"]["type"] == "server_vad"
        asked = {
            "format": {"type": "audio/pcm", "rate": 16000},
            "transcription": {"model": "whisper-1", "language": "zh-CN", "prompt": "a b"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 700, "threshold": 0.4},
            "noise_reduction": {"type": "near_field"},
        }
        heard = client.update(**asked)["audio"]["input"]
        assert heard["format"] == asked["format"]
        assert heard["transcription"] == {"model": "whisper-1", "language": "zh", "prompt": "a b"}
        assert heard["turn_detection"] == {"type": "server_vad", "silence_duration_ms": 700}
        # What is not named stays.
        again = client.update(turn_detection=None)["audio"]["input"]
        assert again == {**heard, "turn_detection": None}


def test_turns_that_the_server_finds(
    client: Realtime, library: AutoModel, sentences: bytes
) -> None:
    client.update(format={"type": "audio/pcm", "rate": 16000})
    client.append(sentences, 9600)
    client.send(_BUFFER + "commit")
    live, segments = two_pass_texts(library, sentences)
    while len(client.transcripts) < len(segments):
        client.next()
    assert client.transcripts == [one.strip() for one in segments]
    said = "".join(event["delta"] for event in client.of(_ITEM + "delta"))
    assert said.replace(" ", "") == live.replace(" ", "")
    items = [event["item_id"] for event in client.of(_BUFFER + "committed")]
    before = [event["previous_item_id"] for event in client.of(_BUFFER + "committed")]
    assert before == [None, *items[:-1]] and len(set(items)) == len(segments)
    started = list(client.of(_BUFFER + "speech_started"))
    stopped = list(client.of(_BUFFER + "speech_stopped"))
    assert [event["item_id"] for event in started] == items
    # The last turn was ended by the client, and no pause was found there.
    assert [event["item_id"] for event in stopped] == items[:-1]
    for begin, end in zip(started, stopped):
        assert begin["audio_start_ms"] < end["audio_end_ms"]
    done = list(client.of(_ITEM + "completed"))
    assert all(event["content_index"] == 0 for event in done)
    assert all(event["usage"]["type"] == "duration" for event in done)
    names = [event["event_id"] for event in client.heard]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rate", [16000, 24000, 8000])
def test_turns_that_the_client_ends(
    client: Realtime, library: AutoModel, sentence: bytes, rate: int
) -> None:
    pcm = at_rate(sentence, rate)
    client.update(format={"type": "audio/pcm", "rate": rate}, turn_detection=None)
    for _ in range(2):
        client.append(pcm)
        client.send(_BUFFER + "commit")
        committed = client.wait(_BUFFER + "committed")
        done = client.wait(_ITEM + "completed")
        assert done["item_id"] == committed["item_id"]
        assert done["transcript"] == offline_text(library, pcm, fs=rate).strip() != ""
        assert done["usage"]["seconds"] == pytest.approx(len(sentence) / 32000, abs=0.01)
    assert not list(client.of(_BUFFER + "speech_started"))


def test_several_turns_at_once(client: Realtime, library: AutoModel, sentence: bytes) -> None:
    """Commits need not wait for answers; each transcript is of its own item."""
    client.update(format={"type": "audio/pcm", "rate": 16000}, turn_detection=None)
    parts = frames(sentence, len(sentence) // 3 & ~1)[:3]
    for part in parts:
        client.append(part)
        client.send(_BUFFER + "commit")
    while len(client.transcripts) < 3:
        client.next()
    items = [event["item_id"] for event in client.of(_BUFFER + "committed")]
    told = {event["item_id"]: event["transcript"] for event in client.of(_ITEM + "completed")}
    assert [told[item] for item in items] == [offline_text(library, one).strip() for one in parts]


@pytest.mark.parametrize("form, subtype", [("audio/pcmu", "ULAW"), ("audio/pcma", "ALAW")])
def test_telephone(
    client: Realtime, library: AutoModel, sentence: bytes, form: str, subtype: str
) -> None:
    """G.711, as libsndfile writes and reads it."""
    narrow = np.frombuffer(at_rate(sentence, 8000), "<i2")
    file = io.BytesIO()
    soundfile.write(file, narrow, 8000, subtype=subtype, format="RAW")
    coded = file.getvalue()
    assert len(coded) == len(narrow)
    raw = {"channels": 1, "subtype": subtype, "format": "RAW", "dtype": "int16"}
    heard, _ = soundfile.read(io.BytesIO(coded), samplerate=8000, **raw)
    client.update(format={"type": form}, turn_detection=None)
    client.append(coded)
    client.send(_BUFFER + "commit")
    expected = offline_text(library, heard.tobytes(), fs=8000).strip()
    assert client.wait(_ITEM + "completed")["transcript"] == expected != ""


@pytest.mark.parametrize("detector", [{"type": "server_vad"}, None])
def test_commits_of_nothing(client: Realtime, sentence: bytes, detector: object) -> None:
    """An error, and the session lives; of silence an item without text."""
    client.update(format={"type": "audio/pcm", "rate": 16000}, turn_detection=detector)
    for audio in (b"", bytes(1000)):
        if audio:
            client.append(audio)
        client.send(_BUFFER + "commit", event_id="mine")
        error = client.next()["error"]
        assert error["code"] == "input_audio_buffer_commit_empty" and error["event_id"] == "mine"
        assert error["type"] == "invalid_request_error"
    client.append(bytes(32000))
    client.send(_BUFFER + "commit")
    assert client.wait(_ITEM + "completed")["transcript"] == ""
    client.append(sentence)
    client.send(_BUFFER + "commit")
    while not client.transcripts[-1]:
        client.wait(_ITEM + "completed")


@pytest.mark.parametrize("detector", [{"type": "server_vad"}, None])
def test_clear(client: Realtime, sentence: bytes, detector: object) -> None:
    client.update(format={"type": "audio/pcm", "rate": 16000}, turn_detection=detector)
    client.send(_BUFFER + "clear")
    client.wait(_BUFFER + "cleared")
    client.append(sentence[:64000])
    client.send(_BUFFER + "clear")
    client.wait(_BUFFER + "cleared")
    client.send(_BUFFER + "commit")
    assert client.next()["error"]["code"] == "input_audio_buffer_commit_empty"


def test_an_update_ends_the_turn(client: Realtime, sentence: bytes) -> None:
    """Its answer comes before the session's."""
    client.update(format={"type": "audio/pcm", "rate": 16000})
    client.append(sentence)
    client.update(turn_detection=None)
    assert client.transcripts and client.heard[-1]["type"] == "session.updated"
    client.append(sentence)
    client.update(turn_detection=None)  # nothing changes: nothing ends
    client.send(_BUFFER + "commit")
    client.wait(_ITEM + "completed")


def test_beta(demo_server: Server, library: AutoModel, sentence: bytes) -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    url = f"{demo_server.ws}/v1/realtime?intent=transcription"
    with Realtime(url, additional_headers=headers) as client:
        assert client.next()["type"] == "transcription_session.created"
        session = {
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": None,
        }
        client.send("transcription_session.update", session=session)
        told = client.wait("transcription_session.updated")["session"]
        assert told["input_audio_format"] == "pcm16" and told["turn_detection"] is None
        assert told["input_audio_transcription"]["language"] == "en"
        pcm = at_rate(sentence, 24000)
        client.append(pcm)
        client.send(_BUFFER + "commit")
        expected = offline_text(library, pcm, fs=24000).strip()
        assert client.wait(_ITEM + "completed")["transcript"] == expected


def _input(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"audio": {"input": fields}}}


_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"type": "response.create"}, "type"),
    ({"type": None}, "type"),
    ({}, "type"),
    ({"type": ["x" * 100]}, "type"),
    ({"type": "session.update"}, "session"),
    ({"type": "session.update", "session": []}, "session"),
    ({"type": "session.update", "session": {"type": "realtime"}}, "session.type"),
    ({"type": "session.update", "session": {"audio": 1}}, "session.audio"),
    (_input(format={"type": "audio/mp3"}), "session.audio.input.format"),
    (_input(format={"type": "audio/pcm", "rate": 100}), "session.audio.input.format.rate"),
    (_input(format={"type": "audio/pcm", "rate": "x"}), "session.audio.input.format.rate"),
    (_input(transcription=[]), "session.audio.input.transcription"),
    (_input(transcription={"keywords": 1}), "session.audio.input.transcription.keywords"),
    (_input(transcription={"keywords": ["w"] * 3}), ""),
    (_input(transcription={"model": "no such"}), "model"),
    (_input(turn_detection={"type": "other"}), "session.audio.input.turn_detection"),
    (_input(turn_detection="server_vad"), "session.audio.input.turn_detection"),
    ({"type": "input_audio_buffer.append"}, "audio"),
    ({"type": "input_audio_buffer.append", "audio": 7}, "audio"),
    ({"type": "input_audio_buffer.append", "audio": "no base64!"}, "audio"),
]


def test_wrong_events(client: Realtime) -> None:
    """Each is answered with an error that names what is wrong, and the session lives."""
    for number, (event, param) in enumerate(_WRONG):
        client.send(
            event.get("type"),
            **{k: v for k, v in event.items() if k != "type"},
            event_id=f"e{number}",
        )
        answer = client.next()
        if not param:
            assert answer["type"] == "session.updated"
            continue
        assert answer["type"] == "error", (event, answer)
        assert answer["error"]["param"] == param and answer["error"]["event_id"] == f"e{number}"
    for text in ("", "{", "[1]", "7", b"\xff\xfe", b"{}"):
        client.connection.send(text)
        assert client.next()["type"] == "error"
    client.update(turn_detection=None)


def test_odd_messages(client: Realtime, library: AutoModel, sentence: bytes) -> None:
    """Half samples, and binary messages that hold an event."""
    client.update(format={"type": "audio/pcm", "rate": 16000}, turn_detection=None)
    for frame in frames(sentence, 4801):
        audio = base64.b64encode(frame).decode()
        client.connection.send(
            f'{{"type": "input_audio_buffer.append", "audio": "{audio}"}}'.encode()
        )
    client.send(_BUFFER + "commit")
    expected = offline_text(library, sentence).strip()
    assert client.wait(_ITEM + "completed")["transcript"] == expected
