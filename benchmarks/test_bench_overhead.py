"""What ``safeasr bench`` itself costs, before targets that do next to nothing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.local import Measured, measure_calls

#: A server of FunASR's protocol that hears nothing, but has an answer for every 600 ms.
_SERVER = """
import asyncio, json
from websockets.asyncio.server import serve

def message(mode, is_final, is_end=False):
    return json.dumps(
        {"mode": mode, "text": "a", "wav_name": "x", "is_final": is_final, "is_end": is_end}
    )

async def served(connection):
    heard = told = 0
    async for said in connection:
        if isinstance(said, bytes):
            heard += len(said)
            if heard // 19200 > told:
                told = heard // 19200
                await connection.send(message("2pass-online", False))
        elif (fields := json.loads(said)).get("is_speaking") is False:
            heard = told = 0
            await connection.send(message("2pass-offline", True, bool(fields.get("is_end"))))

async def main():
    async with serve(served, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
"""


@pytest.fixture
def server() -> Iterator[str]:
    command = [sys.executable, "-c", _SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"ws://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


@pytest.mark.parametrize("callers", [1, 16])
def test_a_call(benchmark: Any, report: Callable[..., None], quick: bool, callers: int) -> None:
    clips = [Clip(f"clip {n}", np.zeros(16, np.float32)) for n in range(16)]
    passes = 500 if quick else 10_000
    taken: list[Measured] = []

    def run() -> None:
        taken.append(measure_calls(lambda samples: "", clips, callers, passes=passes))

    benchmark.pedantic(run, rounds=5)
    cpu = [load.cpu_s / load.run.counts.right for load in taken]
    report(callers=callers, cpu_us=round(statistics.median(cpu) * 1e6, 2))


def test_live_sessions(
    benchmark: Any, report: Callable[..., None], quick: bool, server: str, tmp_path: Path
) -> None:
    """Cores of all of the tester's processes while 200 speak."""
    found = tmp_path / "found.json"
    load = ["--sessions", "200", "--seconds", "10s" if quick else "40s", "--json", str(found)]
    command = [sys.executable, "-m", "safeasr", "bench", "live", "-t", server, *load]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    [run] = json.loads(found.read_text())["runs"]
    seconds = run["seconds"]
    middle = seconds[len(seconds) // 4 : -len(seconds) // 4]
    cores = statistics.mean(one["tester_cores"] for one in middle)
    report(sessions=200, tester_cores=round(cores, 3))
