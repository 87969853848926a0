"""Live sessions: 32 microphones at once on one streaming model.

    make demo        or        python examples/live.py [--sessions 32] [--seconds 8]

Each session is a thread that feeds a stream with 600 ms of audio every 600 ms, as a websocket
service would. Shown are the delay from the end of a chunk to its text, and whether every session
said exactly what it says alone. The exit code is 1 if one did not.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from rich.console import Console
from rich.table import Table

import safeasr
from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.bench.local import Feed, measure_sessions


def main() -> int:
    """Run the sessions; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=32, help="sessions at the same time")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each session")
    arguments = parser.parse_args()

    console = Console(width=None if sys.stdout.isatty() else 110)
    (conversation,) = embedded_clips("demo-streaming")
    spoken = conversation.samples
    # Everybody begins somewhere else in the conversation.
    shift = len(spoken) // max(1, arguments.sessions)
    size = int(arguments.seconds * SAMPLE_RATE)
    clips = [
        Clip(f"session {i}", np.resize(np.roll(spoken, -i * shift), size))
        for i in range(arguments.sessions)
    ]

    with safeasr.AutoModel("demo-streaming", disable_pbar=True) as model:

        def open_session() -> Feed:
            stream = model.stream()
            return lambda samples, last: str(stream.feed(samples, last)["text"])

        alone = measure_sessions(open_session, clips, 1, paced=False, rounds=len(clips))
        console.print(f"{len(clips)} live sessions of {arguments.seconds:.0f} s ...")
        before = model.stats()
        load = measure_sessions(open_session, clips, alone=alone)
        after = model.stats()

    batches = after["batches"] - before["batches"]
    mean = (after["batched_requests"] - before["batched_requests"]) / max(1, batches)
    table = Table(title="From the end of a chunk to its text")
    for column in ("sessions", "p50", "p95", "p99", "chunks in a batch", "errors", "differing"):
        table.add_column(column, justify="right")
    table.add_row(
        str(len(clips)),
        *(f"{load.latency_ms(p):.0f} ms" for p in (50, 95, 99)),
        f"{mean:.1f}",
        ", ".join(f"{n} {kind}" for kind, n in load.errors.items()) or "0",
        str(load.run.counts.wrong),
    )
    console.print(table)
    first = load.answers.get("session 0", [])
    said = " ".join(text for answer in first for text in answer.times if text)
    console.print(f"The first session heard: {said}", highlight=False)
    return int(bool(load.errors or alone.errors) or load.run.counts.wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
