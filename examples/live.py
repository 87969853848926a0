"""Live sessions: 32 microphones at once on one streaming model.

    make demo        or        python examples/live.py [--sessions 32] [--seconds 8]

Each session is a thread that feeds a stream with 600 ms of audio every 600 ms, as a websocket
service would. Shown are the delay from the end of a chunk to its text, and whether every session
said exactly what it says alone. The exit code is 1 if one did not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

import safeasr
from safeasr.bench.live_sessions import Feed, live_sessions


def main() -> int:
    """Run the sessions; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sessions", type=int, default=32, help="sessions at the same time")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each session")
    arguments = parser.parse_args()

    console = Console(width=None if sys.stdout.isatty() else 110)
    audio = Path(safeasr.__file__).parent / "models" / "demo-streaming" / "audio"
    spoken, rate = soundfile.read(audio / "conversation.flac", dtype="float32")
    assert rate == 16000
    # Everybody begins somewhere else in the conversation.
    shift = len(spoken) // max(1, arguments.sessions)
    size = int(arguments.seconds * rate)
    waves = [np.resize(np.roll(spoken, -i * shift), size) for i in range(arguments.sessions)]

    with safeasr.AutoModel("demo-streaming", disable_pbar=True) as model:

        def open_session(_number: int) -> Feed:
            stream = model.stream()
            return lambda samples, last: str(stream.feed(samples, last)["text"])

        alone = [live_sessions(open_session, [wave], paced=False).texts[0] for wave in waves]
        console.print(f"{len(waves)} live sessions of {arguments.seconds:.0f} s ...")
        before = model.stats()
        load = live_sessions(open_session, waves)
        after = model.stats()

    batches = after["batches"] - before["batches"]
    mean = (after["batched_requests"] - before["batched_requests"]) / max(1, batches)
    differing = sum(got != expected for got, expected in zip(load.texts, alone, strict=True))
    table = Table(title="From the end of a chunk to its text")
    for column in ("sessions", "p50", "p95", "p99", "chunks in a batch", "errors", "differing"):
        table.add_column(column, justify="right")
    table.add_row(
        str(load.sessions),
        *(f"{load.latency_ms(p):.0f} ms" for p in (50, 95, 99)),
        f"{mean:.1f}",
        ", ".join(f"{n} {kind}" for kind, n in load.errors.items()) or "0",
        str(differing),
    )
    console.print(table)
    said = " ".join(text for text in load.texts[0] if text)
    console.print(f"The first session heard: {said}", highlight=False)
    return int(bool(load.errors) or differing > 0)


if __name__ == "__main__":
    raise SystemExit(main())
