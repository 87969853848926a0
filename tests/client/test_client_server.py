"""The client and ``safeasr serve``: what the library says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("uvicorn", reason="uvicorn runs the server")
pytest.importorskip("websockets", reason="live sessions are websockets")

from safeasr import AutoModel, BadRequestError, UnauthorizedError
from safeasr.client import AsyncClient, Client, Event, Final, Partial
from support.serving import Server, server

Samples = NDArray[np.int16]


def text_of(said: list[dict[str, Any]]) -> list[str]:
    return [one["text"].strip() for one in said]


def test_a_recording(client: Client, library: AutoModel, recording: Path) -> None:
    whole = library.generate(str(recording), sentence_timestamp=True, pred_timestamp=True)[0]
    found = client.transcribe(recording, words=True, speakers=True)
    assert found.text == whole["text"].strip()
    assert found.duration == pytest.approx(17.1, abs=0.1)
    assert " ".join(one.text for one in found.segments) == found.text
    assert {one.speaker for one in found.segments} == {"A"}
    assert [one.word for one in found.words][:3] == ["hello", "play", "next"]
    assert all(one.start < one.end for one in (*found.words, *found.segments))
    assert client.transcribe(recording).words == ()


def test_the_same_in_every_form(client: Client, recording: Path, samples: Samples) -> None:
    text = client.transcribe(recording).text
    assert client.transcribe(recording.read_bytes()).text == text
    with recording.open("rb") as file:
        assert client.transcribe(file).text == text
    assert client.transcribe(samples).text == text
    assert client.transcribe(samples.tobytes(), fs=16000).text == text
    assert client.transcribe(recording, format="text").strip() == text
    assert "".join(client.transcribe_iter(recording)) == text
    for form in ("srt", "vtt"):
        subtitles = client.transcribe(recording, format=form)  # type: ignore[call-overload]
        assert "Hello, play next, please." in subtitles
        assert "-->" in subtitles


def test_models(client: Client) -> None:
    [model] = client.models()
    assert model.name == "demo"
    assert set(model.live) == {"2pass", "online", "offline"}
    assert model.speakers


def test_what_it_refuses(client: Client, recording: Path) -> None:
    with pytest.raises(BadRequestError, match="cannot be decoded") as raised:
        client.transcribe(b"no audio at all" * 10)
    assert raised.value.code == "invalid_audio"
    with pytest.raises(BadRequestError, match="there is no model 'other'") as raised:
        client.transcribe(recording, model="other")
    assert raised.value.code == "model_not_found"
    with client.live(model="other") as session:
        session.send(b"\0\0" * 16000)
        with pytest.raises(BadRequestError, match="there is no model 'other'"):
            list(session)


def test_keys(recording: Path) -> None:
    with server(environment={"SAFEASR_API_KEYS": "right"}) as running:
        assert Client(running.url, "right").transcribe(recording).text
        for key in (None, "wrong"):
            with Client(running.url, key) as client:
                with pytest.raises(UnauthorizedError):
                    client.transcribe(recording)
                with pytest.raises(UnauthorizedError):
                    client.live().__enter__()
        with Client(running.url, "right").live() as session:
            session.finish()
            assert list(session) == []


@pytest.mark.parametrize("mode", ["2pass", "online", "offline"])
def test_live(client: Client, samples: Samples, said: list[dict[str, Any]], mode: Any) -> None:
    events: list[Event] = []
    with client.live(mode=mode, speakers=True) as session:
        for piece in np.array_split(samples, 60):
            session.send(piece)
            events += session.ready()
        session.finish()
        events += session
    finals = [one for one in events if isinstance(one, Final)]
    if mode == "offline":
        assert len(finals) == 1
    else:
        for ours, theirs in zip(finals, said, strict=True):
            assert ours.start == theirs["start"] / 1000
            assert ours.end == pytest.approx(theirs["end"] / 1000, abs=0.2)
            assert (ours.speaker is not None) == (mode == "2pass")
    if mode == "2pass":
        assert [one.text for one in finals] == text_of(said)
    assert any(isinstance(one, Partial) for one in events) == (mode != "offline")


def test_asyncio(demo_server: Server, recording: Path, samples: Samples, said: Any) -> None:
    async def main() -> tuple[Any, ...]:
        async with AsyncClient(demo_server.url) as client:

            async def speak() -> list[Event]:
                async with client.live() as session:

                    async def send() -> None:
                        for piece in np.array_split(samples, 30):
                            await session.send(piece)
                        await session.finish()

                    sending = asyncio.ensure_future(send())
                    events = [event async for event in session]
                    await sending
                    return events

            async def read() -> str:
                return "".join([one async for one in client.transcribe_iter(recording)])

            return await asyncio.gather(
                client.transcribe(recording), read(), speak(), client.models()
            )

    transcript, pieces, events, models = asyncio.run(main())
    assert transcript.text == pieces
    assert [one.text for one in events if isinstance(one, Final)] == text_of(said)
    assert [one.name for one in models] == ["demo"]
