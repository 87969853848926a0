"""A conversation of two people: who said what, and when, with marks.

    make demo        or        python examples/conversation.py

Four models work as one: a detector finds the speech, a recogniser writes it down, a third model
sets the marks, and a fourth tells the voices apart. Beside it stand FunASR's answer and its time.
The exit code is 1 if they differ.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile
from rich.console import Console
from rich.table import Table

import safeasr

MODELS = Path(safeasr.__file__).parent / "models"
ROLES = {
    "model": "demo",
    "vad_model": "demo-vad",
    "punc_model": "demo-punc",
    "spk_model": "demo-spk",
}
RUNS = 5  # the median of so many

Answer = dict[str, Any]


def load_funasr() -> Any | None:
    """FunASR's AutoModel with the same four models; None if it is not installed."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from funasr import AutoModel

            return AutoModel(
                **{role: str(MODELS / name) for role, name in ROLES.items()},
                device="cpu",
                ncpu=1,
                disable_update=True,
                disable_pbar=True,
                log_level="ERROR",
            )
    except ImportError:
        return None


def timed(call: Callable[[], Answer]) -> tuple[Answer, float]:
    """The answer, and the median of the times in s."""
    answer, times = call(), []
    for _ in range(RUNS):
        began = time.perf_counter()
        answer = call()
        times.append(time.perf_counter() - began)
    return answer, statistics.median(times)


def said(answer: Answer) -> list[tuple[int, str]]:
    """Who says what. Up to 1.4.16 FunASR takes the times of this class from the wrong numbers."""
    return [(one["spk"], one["text"]) for one in answer["sentence_info"]]


def show(console: Console, ours: Answer, theirs: Answer | None) -> bool:
    """One row a sentence; returns whether all are equal."""
    table = Table(title="Who said what")
    for column in ("who", "from", "to", "what"):
        table.add_column(column, justify="right" if column in ("from", "to") else "left")
    if theirs is not None:
        table.add_column("FunASR")
    rows, others = said(ours), said(theirs if theirs is not None else ours)
    for number, (row, other) in enumerate(itertools.zip_longest(rows, others)):
        cells = ["", "", "", ""]
        if row is not None:
            one = ours["sentence_info"][number]
            cells = [name_of(row[0]), f"{one['start'] / 1000:.2f} s", f"{one['end'] / 1000:.2f} s"]
            cells.append(row[1].strip())
        if theirs is not None:
            cells.append("the same" if row == other else str(other))
        table.add_row(*cells, style="" if row == other else "red")
    console.print(table)
    return rows == others


def name_of(speaker: int) -> str:
    """A letter for each of the first speakers."""
    return chr(ord("A") + speaker) if speaker < 26 else str(speaker)


def main() -> int:
    """Run the conversation through both; returns the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    directory = MODELS / "demo-spk" / "audio"
    path = directory / "dialogue.flac"
    wave, rate = soundfile.read(path, dtype="float32")
    spoken = json.loads((directory / "expected.json").read_text(encoding="utf-8"))[path.name]

    with safeasr.AutoModel(**ROLES, disable_pbar=True) as model:
        ours, seconds = timed(lambda: model.generate(wave, pred_timestamp=True)[0])
    funasr = load_funasr()
    theirs, their_seconds = None, 0.0
    if funasr is not None:
        theirs, their_seconds = timed(
            lambda: funasr.generate(input=wave, pred_timestamp=True, disable_pbar=True)[0]
        )
    equal = show(console, ours, theirs)
    console.print(
        "Spoken: " + " | ".join(f"{'AB'[t['spk']]}: {t['text']}" for t in spoken["spoken"])
    )
    length = len(wave) / rate
    line = f"{length:.1f} s of audio in {1000 * seconds:.0f} ms"
    if theirs is None:
        console.print(line + " (FunASR is not installed, so there is no comparison).")
    else:
        console.print(
            f"{line}; FunASR took {1000 * their_seconds:.0f} ms, "
            f"{their_seconds / seconds:.1f} times as long.",
            highlight=False,
        )
    return int(not equal)


if __name__ == "__main__":
    raise SystemExit(main())
