"""FunASR's websocket: answers that suit all of its clients, and texts that are the library's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from safeasr import AutoModel
from support.serve_clients import (
    END,
    ask,
    frames,
    offline_text,
    open_ws,
    texts,
    two_pass_texts,
    until_final,
)
from support.serving import Server

_MODES = ("offline", "2pass-online", "2pass-offline")


def check(messages: list[dict[str, Any]], name: str) -> None:
    """What every client relies on."""
    for message in messages:
        assert message["mode"] in _MODES
        assert isinstance(message["text"], str)
        assert message["wav_name"] == name
        assert isinstance(message["is_final"], bool)
        if "timestamp" in message:  # a text that holds JSON: a list breaks five clients
            times = json.loads(message["timestamp"])
            assert times and all(len(pair) == 2 and pair[0] <= pair[1] for pair in times)
        for one in message.get("stamp_sents", ()):
            assert set(one) >= {"text_seg", "punc", "start", "end", "ts_list"}
            assert one["start"] <= one["end"] and isinstance(one["ts_list"], list)
    assert [one["is_final"] for one in messages] == [False] * (len(messages) - 1) + [True]
    assert not any("is_end" in one for one in messages)


def test_offline(demo_server: Server, library: AutoModel, sentences: bytes) -> None:
    found = ask(demo_server.ws, {"mode": "offline", "wav_name": "a"}, *frames(sentences))
    check(found, "a")
    (message,) = found
    assert message["mode"] == "offline"
    assert message["text"] == offline_text(library, sentences)
    words = json.loads(message["timestamp"])
    spoken = message["stamp_sents"]
    assert [pair for one in spoken for pair in one["ts_list"]] == words
    said = "".join(one["text_seg"] for one in spoken).replace(" ", "")
    assert said.casefold() == "".join(filter(str.isalpha, message["text"])).casefold()


def test_pieces_of_the_first_pass_alone_can_be_appended(
    demo_server: Server, library: AutoModel, sentences: bytes
) -> None:
    """Also across segments: two words never become one."""
    found = ask(demo_server.ws, {"mode": "online"}, *frames(sentences))
    with library.stream(mode="online") as stream:
        events = [stream.feed(frame, False) for frame in frames(sentences)]
        events.append(stream.finish())
    ended = [one for some in events for one in some if one["is_final"]]
    bare = " ".join(one["text"] for one in ended).lower()
    words = "".join(mark for mark in bare if mark.isalpha() or mark == " ").split()
    assert len(ended) > 2
    assert "".join(texts(found, "2pass-online")).split() == words


def test_two_pass(demo_server: Server, library: AutoModel, sentences: bytes) -> None:
    first = {"mode": "2pass", "wav_name": "a", "spk": True}
    found = ask(demo_server.ws, first, *frames(sentences))
    check(found, "a")
    live, segments = two_pass_texts(library, sentences)
    assert texts(found, "2pass-offline") == segments and len(segments) > 2
    assert "".join(texts(found, "2pass-online")).replace(" ", "") == live.replace(" ", "")
    second = [one for one in found if one["mode"] == "2pass-offline"]
    assert all(one["timestamp"] and one["stamp_sents"] and one["spk_name"] for one in second)
    assert [one["mode"] for one in found if one.get("slice_type") == 2] == ["2pass-offline"] * len(
        second
    )
    # The pieces of a segment come before its second pass.
    assert found[0]["mode"] == "2pass-online" and found[-1]["mode"] == "2pass-offline"


@pytest.mark.parametrize("mode", ["2pass", "offline", "online"])
def test_speakers_are_told_to_whoever_asks(demo_server: Server, sentence: bytes, mode: str) -> None:
    named = [
        any("spk" in json.dumps(one) for one in ask(demo_server.ws, fields, *frames(sentence)))
        for fields in ({"mode": mode}, {"mode": mode, "spk": 0}, {"mode": mode, "spk": "true"})
    ]
    assert named == [False, False, mode != "online"]


def times_of_ends(found: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Of the segments that end, in ms."""
    ends = [one for one in found if one.get("slice_type") == 2]
    return [(one["start_time"], one["end_time"]) for one in ends]


def test_online(demo_server: Server, library: AutoModel, sentences: bytes) -> None:
    found = ask(demo_server.ws, {"mode": "online", "wav_name": "a"}, *frames(sentences))
    check(found, "a")
    assert {one["mode"] for one in found} == {"2pass-online"}
    said = "".join(texts(found, "2pass-online"))
    # What a first pass says depends on the steps that it takes.
    with library.stream(mode="online", return_raw_text=True) as stream:
        parts = frames(sentences)
        steps = [stream.feed(part) for part in parts] + [stream.finish()]
    expected = [one["raw_text"] for events in steps for one in events if one["is_final"]]
    assert said == " ".join(one.strip() for one in expected) and len(expected) > 2
    assert times_of_ends(found) == [
        (one["start"], one["end"]) for events in steps for one in events if one["is_final"]
    ]


def test_pieces_can_be_appended(demo_server: Server, sentence: bytes) -> None:
    """Between English words stands a space, none at the beginning."""
    found = ask(demo_server.ws, {"mode": "online"}, *frames(sentence))
    said = "".join(texts(found, "2pass-online"))
    assert said == " ".join(said.split()) and " " in said


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
@pytest.mark.parametrize("first", [True, False])
def test_nothing_said(demo_server: Server, mode: str, first: bool) -> None:
    """One empty message, which is final; also where only the message of the end comes."""
    configuration = {"mode": mode, "wav_name": "n", "is_speaking": first}
    (message,) = ask(demo_server.ws, configuration)
    modes = {"offline": "offline", "online": "2pass-online", "2pass": "2pass-offline"}
    assert message == {"mode": modes[mode], "text": "", "wav_name": "n", "is_final": True}


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
def test_silence(demo_server: Server, mode: str) -> None:
    (message,) = ask(demo_server.ws, {"mode": mode}, bytes(64000))
    assert message["text"] == "" and message["is_final"] and "timestamp" not in message


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("asks", [True, "true", 1, False, None])
def test_the_end_is_acknowledged_where_asked(
    demo_server: Server, sentence: bytes, mode: str, said: bool, asks: object
) -> None:
    end = {"is_speaking": False, "is_end": asks}
    messages = ask(demo_server.ws, {"mode": mode}, *([sentence] if said else []), end)
    assert [one for one in messages if "is_end" in one] == (messages[-1:] if asks else [])
    assert messages[-1]["is_final"]


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
def test_several_utterances(demo_server: Server, sentence: bytes, mode: str) -> None:
    """On one connection, the next one's audio without waiting for the answer to the one before."""
    once = ask(demo_server.ws, {"mode": mode, "wav_name": "0"}, sentence)
    with open_ws(demo_server.ws) as connection:
        for number in range(3):
            connection.send(json.dumps({"mode": mode, "wav_name": str(number)}))
            connection.send(sentence)
            connection.send(END)
        connection.send(sentence)  # the last configuration holds
        connection.send(END)
        for name in ("0", "1", "2", "2"):
            found = until_final(connection)
            check(found, name)
            said = "2pass-offline" if mode == "2pass" else found[-1]["mode"]
            assert "".join(texts(found, said)) == "".join(texts(once, said))


def test_modes_change_on_a_connection(
    demo_server: Server, library: AutoModel, sentence: bytes
) -> None:
    expected = offline_text(library, sentence)
    with open_ws(demo_server.ws) as connection:
        for mode in ("offline", "2pass", "online", "offline"):
            connection.send(json.dumps({"mode": mode, "is_speaking": True}))
            connection.send(sentence)
            connection.send(END)
            found = until_final(connection)
            said = {"2pass": "2pass-offline", "online": "2pass-online"}.get(mode, mode)
            assert texts(found, said)
            if mode != "online":
                assert " ".join(texts(found, said)).strip() == expected.strip()


@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_speaking_on_and_off(demo_server: Server, sentence: bytes, mode: str) -> None:
    """`is_speaking: true` in the middle changes nothing."""
    first, second = sentence[: len(sentence) // 2], sentence[len(sentence) // 2 :]
    whole = ask(demo_server.ws, {"mode": mode}, first, second)
    parted = ask(demo_server.ws, {"mode": mode}, first, {"is_speaking": True}, second)
    assert parted == whole


_NO_JSON = ["", "{", "hello", "[1]", "1", "null", '"text"', "{'mode': 1}", "\0", "{}" * 9]


@pytest.mark.parametrize("message", _NO_JSON, ids=repr)
def test_what_is_no_json(demo_server: Server, sentence: bytes, message: str) -> None:
    """It is said so, and the utterance goes on."""
    found = ask(demo_server.ws, {"mode": "offline"}, sentence, message)
    assert found[0]["error"]["code"] == "invalid_json" and not found[0]["is_final"]
    assert found[-1]["text"] and len(found) == 2


def test_messages_behind_the_end(demo_server: Server, sentence: bytes) -> None:
    """Frames that come late begin another utterance; the answer to the first one stays whole."""
    with open_ws(demo_server.ws) as connection:
        connection.send('{"mode": "offline"}')
        connection.send(sentence)
        connection.send(END)
        for frame in frames(sentence, 3000):
            connection.send(frame)
        first = until_final(connection)
        connection.send(END)
        assert until_final(connection) == first
        connection.send(END)  # again: nothing was said since
        assert until_final(connection)[0]["text"] == ""
