"""Loads on functions of this process: what `safeasr bench` does, in a line of Python.

The same callers, records and figures, but neither processes nor reports; docs/benchmarking.md has
an example. Needs numpy alone, so that nothing else is in the memory of what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip
from safeasr.bench.findings.figures import figures_of
from safeasr.bench.findings.results import Run
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.loaded import Loaded
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.bench.load.records import Outcome, Records
from safeasr.bench.load.threads import drive_threads
from safeasr.bench.targets.base import Answer
from safeasr.bench.targets.functions import Function

__all__ = ["Feed", "Measured", "measure_calls", "measure_sessions"]

#: Takes the next samples (n,) of one session, 16 kHz, and whether they are its last; returns the
#: text that is new.
Feed = Callable[[NDArray[np.float32], bool], str]

#: A function that takes longer than this, in seconds, hangs.
TIMEOUT_S = 900.0


@dataclass(frozen=True, eq=False)
class Measured:
    """What a load found.

    Attributes:
        run: its figures.
        records: every request.
        clips: what was said.
        cpu_s: processor time of the whole process meanwhile, in seconds.
    """

    run: Run
    records: Records
    clips: Sequence[Clip]
    cpu_s: float

    @property
    def answers(self) -> dict[str, list[Answer]]:
        """What was answered, by the clip's name: each different answer once."""
        found: dict[str, list[Answer]] = {}
        for clip, answer in self.records.answers:
            found.setdefault(self.clips[clip].name, []).append(answer)
        return found

    @property
    def texts(self) -> dict[str, set[str]]:
        """The different texts, by the clip's name."""
        return {name: {one.text for one in answers} for name, answers in self.answers.items()}

    @property
    def errors(self) -> dict[str, int]:
        """How many requests failed or were refused, by the kind of their error."""
        return {one.kind: one.count for one in self.run.errors}

    @property
    def latencies_s(self) -> NDArray[np.float64]:
        """Of each call that was answered, or each chunk, (n,) s, in the order they ended."""
        if self.run.load["kind"] == "sessions":
            return self.records.column("chunk_latency")
        answered = self.records.column("outcome") == Outcome.ANSWERED
        took = self.records.column("done") - self.records.column("sent")
        return np.asarray(took[answered])

    def latency_ms(self, percent: float, after: int = 0) -> float:
        """A percentile of `latencies_s` in ms, without the first `after`; NaN if there are none."""
        counted = self.latencies_s[after:]
        return float(np.percentile(counted, percent)) * 1000 if len(counted) else float("nan")


def measure_calls(
    function: Callable[..., Any],
    clips: Sequence[Clip],
    callers: int,
    *,
    seconds: float | None = None,
    passes: int | None = None,
    alone: Measured | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Measured:
    """Call a function from several threads, each of which calls again once it was answered.

    Args:
        function: called with a clip's samples (n,), float32, 16 kHz, and its options by name; what
            it may return: see :func:`safeasr.bench.targets.functions.as_answer`.
        clips: what is said, all once, then all once more in another order, and so on.
        callers: how many threads.
        seconds: how long they begin new calls, or
        passes: how often all clips are said.
        alone: a load in which each clip was said alone, to compare with.
        timeout_s: after which a call counts as lost.

    Raises:
        ValueError: unless exactly one of `seconds` and `passes` is given.
    """
    if (seconds is None) == (passes is None):
        raise ValueError("give either seconds or passes")
    requests = None if passes is None else passes * len(clips)
    load = Load(Closed(callers, seconds, requests), timeout_s)
    return _measured(Function(function), load, clips, alone)


def measure_sessions(
    open_session: Callable[..., Any],
    clips: Sequence[Clip],
    sessions: int | None = None,
    *,
    chunk_ms: int = 600,
    paced: bool = True,
    rounds: int = 1,
    alone: Measured | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Measured:
    """Let several sessions speak at the same time, each from a thread of its own.

    They begin one after the other within one chunk; the first says the first clip, and so on.
    Answers are the same if each of their chunks gave the same text, and `Answer.times` has these.

    Args:
        open_session: called with the clip's options by name, for each utterance; returns a
            :data:`Feed`, or an object with such a method and perhaps `close()`.
        clips: what is said.
        sessions: how many; default: as many as there are clips.
        chunk_ms: audio in each chunk.
        paced: False: each sends as fast as it is answered, not in real time.
        rounds: utterances of each session.
        alone: a load in which each clip was said alone, to compare with.
        timeout_s: after which an utterance counts as lost, beyond its length.
    """
    kind = Sessions(
        sessions or len(clips), 0.0, chunk_ms, paced, rounds, chunk_ms / 1000 if paced else 0.0
    )
    function = Function(begin=open_session, each_chunk=True)
    return _measured(function, Load(kind, timeout_s), clips, alone)


def _measured(
    function: Function, load: Load, clips: Sequence[Clip], alone: Measured | None
) -> Measured:
    drive = Drive(clips, 0.0)
    cpu = time.process_time()
    drive_threads(drive, function, load, now=True)
    end, cpu = time.monotonic(), time.process_time() - cpu
    known = alone.answers if alone is not None else {}
    expected = [known[clip.name][0] if clip.name in known else None for clip in clips]
    loaded = Loaded(drive.records, drive.begin, end)
    run, _ = figures_of("a function", load, loaded, clips, expected)
    return Measured(run, drive.records, clips, cpu)
