"""Every family at once from many threads: good calls, bad ones, late and cancelled ones, streams.

    make soak                       a million calls from 64 threads
    make soak CALLS=20000           fewer

Each answer is compared with the one that the same model gave when it was alone.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

# torch keeps a kernel for each number of rows that a batch ever had, in each thread, and oneDNN
# 1024 for the process, of up to half a megabyte each: more than a million calls fill, which would
# hide what safeasr itself keeps. Read when torch is imported, and when it multiplies first.
os.environ.setdefault("LRU_CACHE_CAPACITY", "16")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")

#: By how much the memory of the last tenth may be above that of the second.
MOST_GROWTH = 0.02


def main(
    calls: Annotated[int, typer.Option(help="calls in all")] = 1_000_000,
    threads: Annotated[int, typer.Option(help="threads that ask")] = 64,
    seed: Annotated[int, typer.Option(help="what is asked comes from it")] = 0,
) -> None:
    """Ask, and end with 1 if an answer was wrong, a call was lost, or memory grew."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SAFEASR_CACHE"] = f"{folder}/cache"
        from soak.load import ask, unsettled
        from soak.served import served_families

        with served_families(Path(folder)) as served:
            outcome = ask(served, calls, threads, seed)
            left = unsettled(served)
    for line in (*outcome.wrong, *left):
        print(line)
    print(", ".join(f"{count} {how}" for how, count in outcome.ends.most_common()))
    print(
        f"{outcome.calls} calls from {threads} threads in {outcome.seconds:.0f} s "
        f"({outcome.calls / outcome.seconds:.0f}/s)"
    )
    looks = " ".join(f"{used / 2**20:.0f}" for used in outcome.memory)
    print(f"memory at rest, MiB: {looks}; {outcome.growth:+.1%} since the second tenth")
    grew = calls >= 100_000 and outcome.growth > MOST_GROWTH
    raise typer.Exit(int(bool(outcome.wrong or left or grew or outcome.calls != calls)))


if __name__ == "__main__":
    typer.run(main)
