"""The package funasr-client: recordings in all modes, blocking and with callbacks. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from typing import Any

from funasr_client import async_funasr_client, funasr_client
from funasr_client.file_asr import async_file_asr, async_file_asr_stream

URL, FILE = sys.argv[1:3]
said: dict[str, Any] = {}
OPTIONS: dict[str, Any] = {"uri": URL, "hotwords": {"louder": 20}, "itn": True, "svs_lang": "auto"}


async def with_callback() -> list[dict[str, Any]]:
    """As its documentation shows: send, then close, which waits for the final message."""
    heard: list[dict[str, Any]] = []
    client = async_funasr_client(uri=URL, mode="2pass", callback=heard.append, start_time=1000)
    async with client:
        with wave.open(FILE) as file:
            while data := file.readframes(960):
                await client.send(data)
    assert client.received_final
    return heard


async def main() -> None:
    for mode in ("offline", "online", "2pass"):
        said[mode] = [one async for one in async_file_asr_stream(FILE, mode=mode, **OPTIONS)]
    said["merged"] = await async_file_asr(FILE, mode="2pass", chunk_size=(1, 6, 1), **OPTIONS)
    said["callback"] = await with_callback()


def blocking() -> list[dict[str, Any]]:
    """The blocking client, but for its close(), which waits for a lock that it holds already."""
    client = funasr_client(uri=URL, mode="2pass", blocking=True)
    client.connect()
    with wave.open(FILE) as file:
        while data := file.readframes(9600):
            client.send(data)
    client.signal_close()
    heard = []
    while message := client.recv(30):
        heard.append(message)
    client._close_ws()
    return heard


asyncio.run(main())
said["blocking"] = blocking()
print(json.dumps(said), flush=True)
