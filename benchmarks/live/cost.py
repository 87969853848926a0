"""What a chunk of a live stream costs a core, by the number of streams in a batch.

    python -m benchmarks.live.cost                about five minutes
    python -m benchmarks.live.cost --sizes 4 8 --system "safeasr, bf16"

One worker with one thread; as many streams as a batch shall hold, each fed as soon as its answer is
there, and a worker that waits for all of them. The figure is processor time of the process, not
time on a clock, so a machine that is busy with something else changes it little. Two cores hold at
most 2 x 600 ms / cost streams of 600 ms chunks.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from benchmarks.common.models import full_size_model
from benchmarks.live.__main__ import OPTIONS, OURS, clips_of
from safeasr import AutoModel
from safeasr.bench.local import Feed, measure_sessions

SIZES = (1, 2, 4, 8, 12)
#: How long the worker waits for the streams that are on their way back to it.
WAIT_MS = 100.0
SECONDS = 9.6


def cost(model: AutoModel, streams: int, rounds: int) -> tuple[float, float]:
    """Processor time of a chunk in ms, the median of the rounds, and the mean batch."""

    def open_session() -> Feed:
        stream = model.stream(**OPTIONS)
        return lambda samples, last: str(stream.feed(samples, last)["text"])

    costs: list[float] = []
    batches = chunks = 0
    clips = clips_of(streams, SECONDS)
    for _ in range(rounds):
        before = model.stats()
        load = measure_sessions(open_session, clips, paced=False)
        after = model.stats()
        batches += after["batches"] - before["batches"]
        answered = after["batched_requests"] - before["batched_requests"]
        chunks += answered
        costs.append(load.cpu_s / answered * 1000)
    return statistics.median(costs), chunks / batches


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--system", choices=tuple(OURS), action="append", help="default: all")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="streams")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="directory of a streaming Paraformer")
    arguments = parser.parse_args()
    directory = str(arguments.model or full_size_model(streaming=True))
    for system in arguments.system or tuple(OURS):
        options: dict[str, Any] = {"num_workers": 1, "intra_op_threads": 1, **OURS[system]}
        model = AutoModel(
            directory, device="cpu", disable_pbar=True, max_wait_ms=WAIT_MS, **options
        )
        cost(model, 1, 1)  # warm up
        for streams in arguments.sizes:
            ms, batch = cost(model, streams, arguments.rounds)
            print(f"{system:14} {streams:3} streams, {batch:.1f} in a batch: {ms:.1f} ms a chunk")
        model.close()


if __name__ == "__main__":
    main()
