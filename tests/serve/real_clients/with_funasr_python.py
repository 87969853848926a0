"""The package funasr-python: recordings and streams in all modes. Prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from funasr_client import AsyncFunASRClient, FunASRClient, create_client
from funasr_client.callbacks import AsyncRecognitionCallback

URL, FILE, PCM = sys.argv[1], sys.argv[2], Path(sys.argv[3])
said: dict[str, Any] = {}


class Kept(AsyncRecognitionCallback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.partial: list[str] = []
        self.final: list[str] = []
        self.errors: list[str] = []

    async def on_partial_result(self, result: Any) -> None:
        self.partial.append(result.text)

    async def on_final_result(self, result: Any) -> None:
        self.final.append(result.text)

    async def on_error(self, error: Any) -> None:
        self.errors.append(repr(error))

    async def on_sentence_end(self, result: Any) -> None:
        pass

    async def on_connection_status(self, *_: Any) -> None:
        pass


async def stream(mode: str, **options: Any) -> dict[str, list[str]]:
    """Frames of 10 ms, twice on the same connection."""
    kept = Kept()
    client = AsyncFunASRClient(server_url=URL, mode=mode, timeout=30, **options)
    data = PCM.read_bytes()

    async def frames() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 320):
            yield data[at : at + 320]

    for _ in range(2):
        await client.recognize_stream(frames(), kept)
        await asyncio.sleep(0.1)  # its callbacks run on tasks of their own
    await client.close()
    return vars(kept)


def main() -> None:
    for mode in ("offline", "online", "2pass"):
        client = FunASRClient(server_url=URL, mode=mode, timeout=30, hotwords={"louder": 20})
        said[mode] = client.recognize_file(FILE).text
    for mode in ("offline", "online", "2pass"):
        said[f"stream {mode}"] = asyncio.run(stream(mode))
    create_client(server_url=URL, preset="low_latency").recognize_file(FILE)  # its chunks are odd
    print(json.dumps(said), flush=True)


main()
