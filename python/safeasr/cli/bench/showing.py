"""How a campaign goes, on the standard error: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from safeasr.bench.findings.results import Run
from safeasr.bench.load.loaded import Progress as Going
from safeasr.bench.load.loads import Closed, Load, Sessions

__all__ = ["Shown"]

#: Between lines that say how a load goes, where there is no bar.
LINE_S = 60.0


class Shown:
    """The watch of a campaign.

    A log of a CI server or a file shows no bar, and hours of silence look like a process that
    hangs: there, lines say what begins and, once a minute, how it goes.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._console = console
        self._task: TaskID = self._progress.add_task("", said="", total=None)
        self._load = ""
        self._said_at = 0.0

    def __enter__(self) -> Shown:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def opening(self, target: str) -> None:
        """A target is being made."""
        self._show(f"{target}: opening", None, "")
        self._line(f"{target}: opening")

    def alone(self, target: str, answered: int, clips: int) -> None:
        """So many clips were asked for alone."""
        self._show(f"{target}: alone", clips, f"{answered} of {clips} clips")
        self._progress.update(self._task, completed=answered)
        if answered == 0:
            self._line(f"{target}: asking for each of {clips} clips alone")

    def loading(self, target: str, load: Load) -> None:
        """A load begins."""
        seconds = _seconds(load)
        self._load = f"{target}, {load.kind.label}"
        self._said_at = time.monotonic()
        self._show(f"{target}: {load.kind.label}", seconds, "")
        self._line(f"{self._load}: begins, {_length(load)}")

    def progress(self, progress: Going, begin: float) -> None:
        """How it goes."""
        said = f"{progress.ended} ended, {progress.in_flight} under way"
        now = time.monotonic()
        self._progress.update(self._task, completed=now - begin, said=said)
        if now - self._said_at >= LINE_S:
            self._said_at = now
            self._line(f"{self._load}: after {_time(now - begin)} {said}")

    def ended(self, run: Run) -> None:
        """A load ended: one line that stays."""
        counts = run.counts
        latency = f", p95 {run.latency.p95:.0f} ms" if run.latency.p95 is not None else ""
        self._print(
            f"{run.target}, {run.load['label']}: {counts.right} right, {counts.wrong} wrong, "
            f"{counts.errors} failed, {counts.refused} refused, RTFx {run.rtfx:.1f}{latency}"
        )

    def _line(self, text: str) -> None:
        """What the bar says in a terminal."""
        if not self._console.is_terminal:
            self._print(text)

    def _print(self, text: str) -> None:
        # Neither markup nor emoji: a target may be called `module:x`, and ":x:" is a red cross.
        self._console.print(text, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def _show(self, description: str, total: float | None, said: str) -> None:
        self._progress.reset(self._task, description=description, total=total, said=said)


def _seconds(load: Load) -> float | None:
    """How long new requests begin; None if something else ends the load."""
    kind = load.kind
    if isinstance(kind, Closed) and kind.requests is not None:
        return None
    if isinstance(kind, Sessions) and kind.rounds is not None:
        return None
    return kind.seconds


def _length(load: Load) -> str:
    kind = load.kind
    seconds = _seconds(load)
    if seconds is not None:
        return f"for {_time(seconds)}"
    if isinstance(kind, Closed):
        return f"{kind.requests} requests"
    assert isinstance(kind, Sessions)
    return f"{kind.rounds} recordings of each session"


def _time(seconds: float) -> str:
    """As one types it: 45 s, 5 min, 2 h 30 min."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest} min" if rest else f"{hours} h"
