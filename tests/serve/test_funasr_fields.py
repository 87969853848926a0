"""FunASR's websocket: each field in each shape that clients send, and what the model is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.serve_clients import END, ask, open_ws, until_final
from support.serving import InThread, app_in_thread

_PCM = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def running() -> Iterator[InThread]:
    with app_in_thread() as one:
        yield one


def asked(running: InThread, first: dict[str, Any] | str | None, **options: Any) -> dict[str, Any]:
    """What the model is asked of an utterance; fails on an error in the answers."""
    running.model.asked.clear()
    messages = [first, _PCM] if first is not None else [_PCM]
    found = ask(running.ws, *messages, **options)
    assert not [one for one in found if "error" in one], found
    (options,) = running.model.asked
    return options


_MODES = [
    ("offline", None),
    ("OFFLINE", None),
    ("office", None),  # FunASR's C# client means offline by it
    ("online", "online"),
    ("2pass", "2pass"),
    ("2PASS", "2pass"),
    ("something else", "2pass"),
    ("", "2pass"),
    (None, "2pass"),
    (2, "2pass"),
]


@pytest.mark.parametrize("said, mode", _MODES)
def test_modes(running: InThread, said: object, mode: str | None) -> None:
    assert asked(running, {"mode": said}).get("mode") == mode


def test_nothing_said_before_the_audio(running: InThread) -> None:
    found = asked(running, None)
    assert found["mode"] == "2pass" and found["fs"] == 16000 and found["key"] == "microphone"


_CHUNKS = [
    ([5, 10, 5], [5, 10, 5]),
    ([0, 10, 5], [0, 10, 5]),
    ("5,10,5", [5, 10, 5]),
    ("5, 10, 5", [5, 10, 5]),
    ("[5, 10, 5]", [5, 10, 5]),
    (["5", "10", "5"], [5, 10, 5]),
    ([5.0, 10.0, 5.0], [5, 10, 5]),
    ([8, 8], [8, 8, 5]),
    (10, [0, 10, 5]),
    ([10], [0, 10, 5]),
    # What is no chunk size is the server's to choose, as where there is none.
    (None, None),
    ("", None),
    ("large", None),
    ([], None),
    ([5, 0, 5], None),
    ([5, -10, 5], None),
    ([5, 1e9, 5], None),
    ([1, 2, 3, 4], None),
    ({"left": 5}, None),
    ([[5], [10], [5]], None),
    (float("inf"), None),
    (True, None),
]


@pytest.mark.parametrize("said, sizes", _CHUNKS, ids=repr)
def test_chunk_sizes(running: InThread, said: object, sizes: list[int] | None) -> None:
    assert asked(running, {"chunk_size": said}).get("chunk_size") == sizes


_WORDS = [
    ('{"魔搭": 20, "阿里巴巴": 30}', ["魔搭", "阿里巴巴"]),
    ('{"new york": "20"}', ["new york"]),  # Java sends weights as texts
    ({"魔搭": 20}, ["魔搭"]),
    ('["魔搭", "阿里巴巴"]', ["魔搭", "阿里巴巴"]),
    (["魔搭", 7], ["魔搭", "7"]),
    ("魔搭 阿里巴巴", ["魔搭", "阿里巴巴"]),
    ("魔搭,阿里巴巴", ["魔搭", "阿里巴巴"]),
    ("魔搭，new york、hello", None),
    ("魔搭 20\nnew york 30\n", ["魔搭", "new york"]),
    ("魔搭 20", ["魔搭", "20"]),
    ("{broken", ["broken"]),
    ("tab\there", ["tab", "here"]),
    ("", None),
    ("  ", None),
    ("{}", None),
    ("[]", None),
    ({}, None),
    ([], None),
    (None, None),
    (True, None),
    (12, None),
]


@pytest.mark.parametrize("said, words", _WORDS, ids=repr)
@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_hotwords(running: InThread, mode: str, said: object, words: list[str] | None) -> None:
    found = asked(running, {"mode": mode, "hotwords": said}).get("hotword")
    if words is None and said == "魔搭，new york、hello":  # divided by the first of its marks
        words = ["魔搭", "new york、hello"]
    assert found == words


def test_hotwords_stay_until_others_come(running: InThread) -> None:
    running.model.asked.clear()
    with open_ws(running.ws) as connection:
        for message in ({"hotwords": "a b"}, {"wav_name": "2"}, {"hotwords": None}):
            connection.send(json.dumps(message))
            connection.send(_PCM)
            connection.send(END)
            until_final(connection)
    assert [one.get("hotword") for one in running.model.asked] == [["a", "b"], ["a", "b"], None]


_OTHERS = [
    ({"audio_fs": 8000}, {"fs": 8000}),
    ({"audio_fs": "48000"}, {"fs": 48000}),
    ({"audio_fs": 16000.0}, {"fs": 16000}),
    ({"audio_fs": None}, {"fs": 16000}),
    ({"itn": True}, {"use_itn": True}),
    ({"itn": False}, {"use_itn": False}),
    ({"itn": "false"}, {"use_itn": False}),
    ({"itn": 0}, {"use_itn": False}),
    ({"svs_itn": False}, {"use_itn": False}),
    ({}, {"use_itn": None}),
    ({"svs_lang": "auto"}, {"language": "auto"}),
    ({"wav_name": "a.wav"}, {"key": "a.wav"}),
    ({"wav_name": 7}, {"key": "7"}),
    ({"chunk_interval": 10}, {}),
    ({"chunk_interval": "ten"}, {}),
    ({"unknown": {"a": [1]}}, {}),
    ({"is_speaking": True}, {}),
    ({"is_speaking": None}, {}),
    ({"is_finished": False}, {}),
]


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
@pytest.mark.parametrize("message, options", _OTHERS, ids=repr)
def test_other_fields(
    running: InThread, message: dict[str, Any], options: dict[str, Any], mode: str
) -> None:
    found = asked(running, {"mode": mode, **message})
    assert {name: found.get(name) for name in options} == options


def test_look_back_of_live_modes(running: InThread) -> None:
    message = {"chunk_size": [5, 10, 5], "encoder_chunk_look_back": "4"}
    found = asked(running, {**message, "decoder_chunk_look_back": 0})
    assert (found["encoder_chunk_look_back"], found["decoder_chunk_look_back"]) == (4, 0)


_WRONG = [
    ({"audio_fs": 100}, "audio_fs"),
    ({"audio_fs": "fast"}, "audio_fs"),
    ({"audio_fs": 16000.5}, "audio_fs"),
    ({"audio_fs": float("nan")}, "audio_fs"),
    ({"audio_fs": 10**400}, "audio_fs"),
    ({"audio_fs": [16000]}, "audio_fs"),
    ({"mode": {"a": 1}}, "mode"),
    ({"wav_name": ["a"]}, "wav_name"),
    ({"encoder_chunk_look_back": "x"}, "encoder_chunk_look_back"),
    ({"hotwords": ["w"] * 10_001}, "hotwords"),
]


@pytest.mark.parametrize("message, field", _WRONG, ids=lambda one: str(one)[:40])
def test_a_wrong_field_is_named_and_the_utterance_goes_on(
    running: InThread, message: dict[str, Any], field: str
) -> None:
    """Also where it comes in the message that ends the utterance: its answer comes all the same."""
    last = {**message, "is_speaking": False}
    first, *more, final = ask(running.ws, {"mode": "online", **message}, _PCM, last)
    assert field in first["error"]["message"] and not first["is_final"]
    assert final["text"] and final["is_final"] and "error" not in final
    assert [one["error"]["code"] for one in more if "error" in one] == ["invalid_option"]


_ENDS = [
    {"is_speaking": False},
    {"is_speaking": "false"},
    {"is_speaking": 0},
    {"is_finished": True},
    # FunASR's page says everything again in the last message.
    {"is_speaking": False, "mode": "2pass", "chunk_size": [5, 10, 5], "wav_name": "h5"},
]


@pytest.mark.parametrize("end", _ENDS, ids=repr)
def test_ends(running: InThread, end: dict[str, Any]) -> None:
    with open_ws(running.ws) as connection:
        connection.send(_PCM)
        connection.send(json.dumps(end))
        assert until_final(connection)[-1]["text"]


_PATHS = ["", "/", "/ws", "/wss/", "/a/b/c?x=1", "/v1", "/%E4%BD%A0", "/health", "/page/x.js"]


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("offered", [None, ["binary"], ["other", "binary"], ["other"]])
def test_any_path_and_handshake(running: InThread, path: str, offered: list[str] | None) -> None:
    with open_ws(running.ws + path, subprotocols=offered) as connection:
        chosen = "binary" if offered is not None and "binary" in offered else None
        assert connection.subprotocol == chosen
        connection.send(_PCM)
        connection.send(END)
        assert until_final(connection)[-1]["text"]


#: First message, header, last message, and the field that names the end, of clients that run
#: elsewhere: FunASR's in Java, C#, Go and for Android, and xiaozhi's.
_ELSEWHERE: list[tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = [
    (
        {
            "mode": "2pass",
            "chunk_size": [5, 10, 5],
            "chunk_interval": 10,
            "wav_name": "java",
            "hotwords": '{"魔搭": "20", "hello": "30"}',
            "is_speaking": True,
        },
        {},
        {"is_speaking": False},
    ),
    (
        {
            "mode": "office",
            "chunk_size": "5,10,5",
            "wav_name": "c#",
            "itn": True,
            "audio_fs": 16000,
        },
        {},
        {"is_speaking": False},
    ),
    (
        {"mode": "offline", "wav_name": "go", "wav_format": "wav", "is_speaking": True},
        {},
        {"is_speaking": False},
    ),
    (
        {"mode": "2pass", "chunk_size": [5, 10, 5], "wav_name": "android", "is_speaking": True},
        {},
        {"is_finished": True},
    ),
    (
        {"mode": "offline", "chunk_size": [5, 10, 5], "chunk_interval": 10, "wav_name": "xiaozhi"},
        {"Authorization": "Bearer; none"},
        {"is_speaking": False},
    ),
]


@pytest.mark.parametrize("first, headers, last", _ELSEWHERE, ids=lambda one: str(one)[-20:])
def test_clients_that_run_elsewhere(
    running: InThread, first: dict[str, Any], headers: dict[str, str], last: dict[str, Any]
) -> None:
    with open_ws(running.ws, additional_headers=headers) as connection:
        connection.send(json.dumps(first))
        connection.send(_PCM)
        connection.send(json.dumps(last))
        found = until_final(connection)
    for message in found:
        assert {"mode", "text", "wav_name", "is_final"} <= set(message)
        assert isinstance(message.get("timestamp", ""), str) and "error" not in message
    assert found[-1]["text"] and found[-1]["wav_name"] == first["wav_name"]
