"""What hotwords cost: none, one list for all callers, and a list of each caller's own.

    python -m benchmarks.hotwords [--threads 16] [--words 20] [--rounds 5] [--int8]

SeacoParaformer at its published size. The set-ups take the same utterances in turn.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.common.audio import long_clips
from benchmarks.common.facts import RESULTS, write_result
from benchmarks.common.models import VOCABULARY
from benchmarks.recordings.models import pipeline_models
from safeasr import AutoModel
from safeasr.bench.audio.clips import Clip
from safeasr.bench.local import measure_calls

NONE, ONE, OWN = "no hotwords", "one list for all", "a list of each caller's own"


def word_lists(count: int, words: int) -> list[str]:
    """So many lists of words of two to four characters, all different."""
    random = np.random.default_rng(0)
    characters = [token for token in VOCABULARY if len(token) == 1 and token > "\u4e00"]
    return [
        " ".join(
            "".join(random.choice(characters, size=int(random.integers(2, 5))))
            for _ in range(words)
        )
        for _ in range(count)
    ]


def callers(model: AutoModel, lists: list[str | None]) -> Callable[[Any], str]:
    """A function whose every calling thread has the next list, in turn."""
    own, numbers = threading.local(), itertools.count()

    def call(audio: Any) -> str:
        if not hasattr(own, "options"):
            chosen = lists[next(numbers) % len(lists)]
            own.options = {} if chosen is None else {"hotword": chosen}
        return str(model.generate(audio, **own.options)[0]["text"])

    return call


def measure(
    model: AutoModel, items: list[Clip], threads: int, words: int, rounds: int
) -> list[dict[str, Any]]:
    """The set-ups in turn; a row for each."""
    lists = word_lists(threads, words)
    setups: dict[str, list[str | None]] = {NONE: [None], ONE: [lists[0]], OWN: [*lists]}
    speeds: dict[str, list[float]] = {name: [] for name in setups}
    for number in range(rounds + 1):  # the first warms up
        for name, chosen in setups.items():
            load = measure_calls(callers(model, chosen), items, threads, passes=1)
            if load.errors:
                raise SystemExit(f"errors: {load.errors}")
            if number:
                speeds[name].append(load.run.rtfx)
    rows = []
    for name, runs in speeds.items():
        beside = [one / run for one, run in zip(speeds[ONE], runs, strict=True)]
        more = 100 * (statistics.median(beside) - 1)
        rows.append(
            {
                "setup": name,
                "rtfx": round(statistics.median(runs), 1),
                "more_than_one_list_percent": round(more, 1),
            }
        )
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--words", type=int, default=20, help="in a list")
    parser.add_argument("--utterances", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    kind, items = long_clips(arguments.utterances)
    precision = {"quantize": True} if arguments.int8 else {}
    with AutoModel(pipeline_models()["model"], disable_pbar=True, **precision) as model:
        rows = measure(model, items, arguments.threads, arguments.words, arguments.rounds)
    table = Table(title=f"{arguments.threads} callers, lists of {arguments.words} words")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "setup" else "right")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    name = "hotwords-int8" if arguments.int8 else "hotwords"
    about = {"threads": arguments.threads, "words": arguments.words, "rounds": arguments.rounds}
    print(write_result(arguments.results, name, audio=kind, **about, rows=rows))


if __name__ == "__main__":
    main()
