"""What the memory of ``safeasr serve`` does while live clients come and go.

    python -m benchmarks.live.connections                 20,000 connections, about three minutes
    python -m benchmarks.live.connections --most 3000

Connections of FunASR's protocol to the embedded models, eight at a time. Of four, one says nothing,
one hangs up in the middle of a word, and two speak for a second and wait for their last answer, in
mode 2pass and offline. After so many connections, when all have ended: what is resident, open files
and threads of the server's process.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Iterator

from benchmarks.common.server import served
from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.targets.base import Options
from safeasr.bench.targets.funasr_ws import FunasrWs

#: Connections at a time.
AT_ONCE = 8
#: After how many the memory is looked at.
LOOKS = (300, 1000, 2000, 5000, 10_000, 20_000)
#: Samples of a message.
STEP = 9600


async def _come_and_go(targets: dict[str, FunasrWs], clip: Clip, numbers: Iterator[int]) -> None:
    """One client after the other, as long as there are numbers."""
    for number in numbers:
        kind = number % 4
        mode = "offline" if kind == 3 else "2pass"
        session = await targets[mode].session(clip, lambda _: None)
        if kind >= 2:
            for at in range(0, len(clip.samples), STEP):
                piece = clip.samples[at : at + STEP]
                await session.send(piece, at + STEP >= len(clip.samples))
            await session.answer()
        elif kind == 1:
            await session.send(clip.samples[:STEP], False)
        await session.abandon()


async def _connect(targets: dict[str, FunasrWs], clip: Clip, numbers: range) -> None:
    left = iter(numbers)
    await asyncio.gather(*(_come_and_go(targets, clip, left) for _ in range(AT_ONCE)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--most", type=int, default=LOOKS[-1], help="connections")
    arguments = parser.parse_args()
    with served() as server:
        speech = embedded_clips("demo")[0].samples[:SAMPLE_RATE]
        clip = Clip("a second", speech)
        targets = {
            mode: FunasrWs(f"ws://127.0.0.1:{server.port}", Options(mode=mode))
            for mode in ("2pass", "offline")
        }
        looks = [look for look in LOOKS if look < arguments.most] + [arguments.most]
        for before, look in itertools.pairwise([0, *looks]):
            began = time.monotonic()
            asyncio.run(_connect(targets, clip, range(before, look)))
            pace = (look - before) / (time.monotonic() - began)
            server.wait(lambda: not server.stats()["connections"])
            print(
                f"{look:6} connections, {pace:4.0f} a second: "
                f"{server.process.memory_info().rss / 2**20:6.1f} MB, "
                f"{server.process.num_fds()} files, {server.process.num_threads()} threads",
                flush=True,
            )


if __name__ == "__main__":
    main()
