"""OpenAI's own SDK: files in all formats, streams, errors, realtime. Prints what it got as JSON.

Every answer and event is checked against the SDK's types, which it does not do by itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import openai
from openai.types.audio import (
    Transcription,
    TranscriptionDiarized,
    TranscriptionStreamEvent,
    TranscriptionVerbose,
)
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

URL, FILE = sys.argv[1] + "/v1", Path(sys.argv[2])
EVENT: Any = TypeAdapter(RealtimeServerEvent)
ITEM = "conversation.item.input_audio_transcription."
said: dict[str, Any] = {}


def checked(kind: Any, answer: Any) -> dict[str, Any]:
    """As JSON; fails if a field that the type requires is missing, or is something else."""
    fields: dict[str, Any] = answer.to_dict()
    TypeAdapter(kind).validate_json(json.dumps(fields))
    return fields


def files(client: openai.OpenAI) -> None:
    create = client.audio.transcriptions.create
    said["json"] = checked(Transcription, create(file=FILE, model="whisper-1"))
    for form in ("text", "srt", "vtt"):
        with FILE.open("rb") as file:
            said[form] = create(file=file, model="whisper-1", response_format=form)
    verbose = create(
        file=FILE,
        model="gpt-4o-transcribe",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        language="en",
        prompt="hello louder",
        temperature=0,
    )
    assert verbose.words and verbose.segments and verbose.segments[0].end > 0
    said["verbose_json"] = checked(TranscriptionVerbose, verbose)
    diarized = create(
        file=("a.wav", FILE.read_bytes(), "audio/wav"),
        model="gpt-4o-transcribe-diarize",
        response_format="diarized_json",
        chunking_strategy="auto",
    )
    said["diarized_json"] = checked(TranscriptionDiarized, diarized)
    vad = {"type": "server_vad", "silence_duration_ms": 500, "threshold": 0.5}
    words = create(file=FILE, model="demo", keywords=["new york"], chunking_strategy=vad)
    said["keywords"] = checked(Transcription, words)
    with create(file=FILE, model="whisper-1", stream=True) as stream:
        events = [checked(TranscriptionStreamEvent, event) for event in stream]
    said["stream"] = events


def errors(client: openai.OpenAI) -> None:
    create = client.audio.transcriptions.create
    said["models"] = [model.id for model in client.models.list()]
    assert client.models.retrieve(said["models"][0]).owned_by == "safeasr"
    found = said["errors"] = {}
    tries: dict[str, Any] = {
        "model": lambda: create(file=FILE, model="no such model"),
        "format": lambda: create(file=FILE, model="demo", response_format="xml"),
        "audio": lambda: create(file=("a.wav", b"no audio"), model="demo"),
        "audio of a stream": lambda: list(
            create(file=("a.wav", b"no audio"), model="demo", stream=True)
        ),
        "key": lambda: client.with_options(api_key="wrong").models.list(),
    }
    for name, attempt in tries.items():
        try:
            attempt()
        except openai.APIError as error:
            found[name] = [type(error).__name__, error.code, error.message]


def session(detector: Any) -> dict[str, Any]:
    heard = {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": {"model": "gpt-4o-transcribe", "language": "en", "prompt": "louder"},
        "turn_detection": detector,
        "noise_reduction": None,
    }
    return {"type": "transcription", "audio": {"input": heard}}


def realtime(client: openai.OpenAI, pcm: bytes) -> list[dict[str, Any]]:
    """Turns that the client ends; an empty commit first."""
    events = []
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        connection.session.update(session=session(None))
        connection.input_audio_buffer.commit()
        for at in range(0, len(pcm), 48000):
            audio = base64.b64encode(pcm[at : at + 48000]).decode()
            connection.input_audio_buffer.append(audio=audio)
        connection.input_audio_buffer.commit()
        for event in connection:
            events.append(checked(RealtimeServerEvent, event))
            if event.type == ITEM + "completed":
                return events
    raise AssertionError(events)


async def realtime_async(client: openai.AsyncOpenAI, pcm: bytes) -> list[dict[str, Any]]:
    """Turns that the server finds, until the last one, which the client commits."""
    events, stopped = [], set()
    async with client.realtime.connect(model="gpt-4o-transcribe") as connection:
        vad = {"type": "server_vad", "silence_duration_ms": 500}
        await connection.session.update(session=session(vad))
        for at in range(0, len(pcm), 9600):
            audio = base64.b64encode(pcm[at : at + 9600]).decode()
            await connection.input_audio_buffer.append(audio=audio)
        await connection.input_audio_buffer.commit()
        async for event in connection:
            events.append(checked(RealtimeServerEvent, event))
            if event.type == "input_audio_buffer.speech_stopped":
                stopped.add(event.item_id)
            if event.type == ITEM + "completed" and event.item_id not in stopped:
                return events
    raise AssertionError(events)


def main() -> None:
    pcm = Path(sys.argv[3]).read_bytes()
    options: dict[str, Any] = {"base_url": URL, "api_key": "right", "max_retries": 0, "timeout": 60}
    with openai.OpenAI(**options) as client:
        files(client)
        errors(client)
        said["realtime"] = realtime(client, pcm)
    said["realtime_async"] = asyncio.run(realtime_async(openai.AsyncOpenAI(**options), pcm))
    print(json.dumps(said))


main()
