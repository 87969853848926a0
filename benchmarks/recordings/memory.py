"""What a long recording takes beside the models: memory over that at rest, as it goes on.

    python -m benchmarks.recordings.memory [--hours 10] [--warm-hours 1]

The embedded demo with detector, marks and speakers. A shorter recording goes before: what a process
keeps for good (kernels of oneDNN, compiled code of numba) belongs to no recording.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.recordings.audio import write_recording
from safeasr import AutoModel

_LOOK_S = 0.2
_ROWS = 12


def watched(model: AutoModel, path: Path) -> tuple[list[float], int]:
    """Take a recording.

    Args:
        model: that takes it.
        path: the recording.

    Returns:
        MB of the process before it, every fifth of a second, and after it; its sentences.
    """
    process = psutil.Process()
    ended = threading.Event()
    seen = [process.memory_info().rss / 1e6]

    def look() -> None:
        while not ended.wait(_LOOK_S):
            seen.append(process.memory_info().rss / 1e6)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        (result,) = model.generate(str(path))
    finally:
        ended.set()
        looking.join()
    seen.append(process.memory_info().rss / 1e6)
    return seen, len(result["sentence_info"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--warm-hours", type=float, default=1.0)
    arguments = parser.parse_args()
    console = Console()
    with (
        tempfile.TemporaryDirectory() as folder,
        AutoModel(
            "demo",
            vad_model="demo-vad",
            punc_model="demo-punc",
            spk_model="demo-spk",
            disable_pbar=True,
        ) as model,
    ):
        path = Path(folder) / "recording.wav"
        write_recording(path, 3600 * arguments.warm_hours)
        watched(model, path)
        write_recording(path, 3600 * arguments.hours)
        seen, sentences = watched(model, path)
    table = Table("s", "MB")
    for at in range(0, len(seen), max(1, len(seen) // _ROWS)):
        table.add_row(f"{at * _LOOK_S:.0f}", f"{seen[at]:.0f}")
    console.print(f"{arguments.hours:g} hours, {sentences} sentences", table)
    console.print(
        f"before {seen[0]:.0f} MB, at most {max(seen):.0f} ({max(seen) - seen[0]:+.0f}), "
        f"after {seen[-1]:.0f}",
        highlight=False,
    )


if __name__ == "__main__":
    main()
