"""Whoever else is served: every text is that of the library with that audio alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from safeasr import AutoModel
from safeasr.bench.audio.manifest import embedded_clips
from support.serve_clients import END, frames, offline_text, pcm16, two_pass_texts
from support.serving import Server

_STEP = 6400  # bytes: 200 ms, what the server takes at once
_FASTER = 4  # than real time
_STREAMS: list[dict[str, Any]] = [{}, {"chunk_size": [0, 8, 4]}, {"chunk_size": [5, 10, 5]}]


async def paced(pcm: bytes, send: Callable[[bytes], Awaitable[None]]) -> None:
    """Hand over audio as somebody speaks, only faster."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for number, part in enumerate(frames(pcm, _STEP)):
        await asyncio.sleep(begin + number * 0.2 / _FASTER - loop.time())
        await send(part)


async def funasr(server: Server, pcm: bytes, mode: str, number: int) -> Any:
    said = {"mode": mode, **_STREAMS[number % 3]}
    kind = {"online": "2pass-online", "2pass": "2pass-offline"}.get(mode, mode)
    found: list[str] = []
    async with connect(server.ws, compression=None) as connection:
        await connection.send(json.dumps(said))
        if mode == "offline":
            await connection.send(pcm)
        else:
            await paced(pcm, connection.send)
        await connection.send(END)
        async for text in connection:
            message = json.loads(text)
            found += [message["text"]] if message["mode"] == kind and message["text"] else []
            if message["is_final"]:
                break
    return "".join(found).replace(" ", "") if mode == "online" else found


async def transcribed(server: Server, pcm: bytes, number: int, stream: bool) -> Any:
    fields = {"stream": "true"} if stream else {}
    if number % 2:
        silence = {"type": "server_vad", "silence_duration_ms": 300}
        fields["chunking_strategy"] = json.dumps(silence)
    async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
        file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data"
        file += len(pcm).to_bytes(4, "little") + pcm
        answer = await client.post(
            "/v1/audio/transcriptions", files={"file": ("a.wav", file)}, data=fields
        )
    if not stream:
        return answer.json()["text"]
    events = [
        json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")
    ]
    assert "".join(event.get("delta", "") for event in events) == events[-1]["text"]
    return events[-1]["text"]


async def realtime(server: Server, pcm: bytes, detector: Any) -> list[str]:
    found: list[str] = []
    async with connect(f"{server.ws}/v1/realtime", compression=None) as connection:
        rate = {"type": "audio/pcm", "rate": 16000}
        heard = {"format": rate, "turn_detection": detector}
        update = {"type": "session.update", "session": {"audio": {"input": heard}}}
        await connection.send(json.dumps(update))

        async def append(part: bytes) -> None:
            audio = base64.b64encode(part).decode()
            await connection.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

        await paced(pcm, append)
        await connection.send('{"type": "input_audio_buffer.commit"}')
        detected: set[str] = set()
        async for text in connection:
            event = json.loads(text)
            assert event["type"] != "error", event
            if event["type"] == "input_audio_buffer.speech_stopped":
                detected.add(event["item_id"])
            elif event["type"].endswith(".completed"):
                found += [event["transcript"]] if event["transcript"] else []
                if event["item_id"] not in detected:  # that of the commit
                    break
    return found


@pytest.mark.asyncio
async def test_48_clients_at_once(demo_server: Server, library: AutoModel) -> None:
    clips = [pcm16(clip.samples) for clip in embedded_clips()[4:12]]
    expected: list[Any] = []
    asked: list[Awaitable[Any]] = []
    for number, pcm in enumerate(clips):
        asked += [funasr(demo_server, pcm, mode, number) for mode in ("offline", "online", "2pass")]
        live = _STREAMS[number % 3]
        raw = two_pass_texts(library, pcm, mode="online", return_raw_text=True, **live)[1]
        whole = offline_text(library, pcm)
        expected += [[whole], "".join(raw).replace(" ", "")]
        expected.append(two_pass_texts(library, pcm, **live)[1])

        asked += [transcribed(demo_server, pcm, number, stream) for stream in (False, True)]
        options = {"max_end_silence_time": 300} if number % 2 else {}
        shown = offline_text(library, pcm, **options).strip()
        expected += [shown, shown]

        asked.append(realtime(demo_server, pcm, {"type": "server_vad"} if number % 2 else None))
        segments = two_pass_texts(library, pcm)[1] if number % 2 else [whole]
        expected.append([one.strip() for one in segments])
    assert len(asked) == 48
    assert await asyncio.gather(*asked) == expected
    assert all(expected)
