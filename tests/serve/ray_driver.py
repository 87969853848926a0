"""A day in the life of a server behind Ray: more work, a replica that is killed, less work.

Run by ``test_ray.py`` in an environment that has Ray; its last line is JSON of what happened.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import ray
import soundfile
from ray import serve

from safeasr.client import AsyncClient, Final, Reconnected
from safeasr.serve.ray import Scale, application
from safeasr.serve.settings import Limits, Settings

PORT = int(sys.argv[1])
URL = f"http://127.0.0.1:{PORT}"
MODELS = {
    "demo": {
        "model": "demo",
        "vad_model": "demo-vad",
        "online_model": "demo-streaming",
        "num_workers": 1,
    }
}
DIALOGUE = Path(__import__("safeasr").__file__).parent / "models/demo-spk/audio/dialogue.flac"
SPEAKERS = 4


def replicas() -> list[psutil.Process]:
    """The processes of the replicas, oldest first."""
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        if "ServeReplica" in " ".join(process.info["cmdline"] or ()):
            found.append(process)
    return sorted(found, key=lambda one: one.info["create_time"])


def running() -> int:
    """How many replicas Ray says are running."""
    deployment = serve.status().applications["default"].deployments["safeasr"]
    return int(dict(deployment.replica_states).get("RUNNING", 0))


async def until_running(count: int, seconds: float) -> float:
    """Wait for so many replicas; returns how long it took. Fails after so many seconds."""
    began = time.monotonic()
    while running() != count:
        if time.monotonic() > began + seconds:
            raise TimeoutError(f"{running()} replicas, wanted {count}")
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def speak(client: AsyncClient, wave: Any, pace: float) -> dict[str, Any]:
    """One live session; its sentences, and how often it had to connect anew."""
    async with client.live(mode="2pass") as session:

        async def say() -> None:
            for at in range(0, len(wave), 4800):
                await session.send(wave[at : at + 4800])
                await asyncio.sleep(0.3 / pace)
            await session.finish()

        saying = asyncio.ensure_future(say())
        sentences, again = [], 0
        async for event in session:
            if isinstance(event, Final):
                sentences.append(event.text.strip())
            again += isinstance(event, Reconnected)
        await saying
    return {"sentences": sentences, "again": again}


async def keep_on(client: AsyncClient, wave: Any, stop: asyncio.Event) -> list[dict[str, Any]]:
    """One conversation after the other."""
    found = []
    while not stop.is_set():
        found.append(await speak(client, wave, 2.0))
    return found


async def ask(client: AsyncClient, wave: Any, stop: asyncio.Event) -> Counter[str]:
    """Recordings one after the other; the texts, counted."""
    found: Counter[str] = Counter()
    while not stop.is_set():
        answer = await client.transcribe(wave)
        found[answer.text.strip()] += 1
        await asyncio.sleep(0.2)
    return found


async def main() -> dict[str, Any]:
    wave, _ = soundfile.read(DIALOGUE, dtype="int16")
    talk, short = wave[: 40 * 16000], np.ascontiguousarray(wave[: 5 * 16000])
    told: dict[str, Any] = {}
    async with AsyncClient(URL, timeout=120) as client:
        alone = await speak(client, talk, 8.0)
        told["text_alone"] = (await client.transcribe(short)).text.strip()
        told["alone"] = alone["sentences"]
        await until_running(1, 60)
        stop = asyncio.Event()
        asking = asyncio.ensure_future(ask(client, short, stop))
        talking = [asyncio.ensure_future(keep_on(client, talk, stop)) for _ in range(SPEAKERS)]
        told["grown_after_s"] = await until_running(2, 120)
        await asyncio.sleep(10)  # new conversations go to both
        replicas()[0].kill()
        await asyncio.sleep(5)
        stop.set()
        told["sessions"] = [one for found in await asyncio.gather(*talking) for one in found]
        told["recordings"] = dict(await asking)
        told["shrunk_after_s"] = await until_running(1, 120)
    return told


def deployed() -> None:
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    settings = Settings(models=MODELS, limits=Limits(session_s=60, drain_s=5), page=False)
    scale = Scale(most=2, utterances=2, recordings=8, grow_after_s=2, shrink_after_s=5)
    serve.run(application(settings, scale), route_prefix="/")
    while httpx.get(f"{URL}/ready", timeout=60).status_code != 200:
        time.sleep(0.5)


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    try:
        deployed()
        outcome = asyncio.run(main())
    finally:
        serve.shutdown()
        ray.shutdown()
    print(json.dumps(outcome))
