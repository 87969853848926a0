"""From what a load left to its figures: speed, latencies, errors, and which answers were right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from safeasr.bench.audio.clips import Clip
from safeasr.bench.findings.judge import Judgement, accuracy_of, judge
from safeasr.bench.findings.latency import summarise
from safeasr.bench.findings.results import ErrorKind, Run
from safeasr.bench.load.loaded import Loaded
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.bench.load.records import Outcome
from safeasr.bench.targets.base import Answer

__all__ = ["figures_of"]


def figures_of(
    target: str,
    load: Load,
    loaded: Loaded,
    clips: Sequence[Clip],
    alone: Sequence[Answer | None] = (),
) -> tuple[Run, Judgement]:
    """The figures of a load, and what is known of each of its answers.

    Args:
        target: its name.
        load: what was done.
        loaded: what it left.
        clips: what was said.
        alone: what the target answers alone, by the clip's number; see
            :func:`safeasr.bench.findings.judge.judge`.
    """
    records = loaded.records
    judgement = judge(records, clips, alone, loaded.begin)
    run = Run(target, load.as_dict())
    run.counts = judgement.counts
    _add_speed(run, loaded, clips)
    _add_latencies(run, loaded, load)
    run.errors = _errors(loaded)
    run.differences = judgement.differences
    run.accuracy = accuracy_of(records, clips, alone)
    return run, judgement


def _add_speed(run: Run, loaded: Loaded, clips: Sequence[Clip]) -> None:
    records = loaded.records
    answered = np.array(records.outcome, dtype=np.int8) == Outcome.ANSWERED
    # Until the last answer: not until one gave up waiting for those that never came.
    last = float(records.column("done")[answered].max()) if answered.any() else loaded.end
    run.duration_s = round(last - loaded.begin, 3)
    lengths = np.array([clip.seconds for clip in clips])
    said = lengths[np.array(records.clip, dtype=np.int64)[answered]]
    run.audio_s = round(float(said.sum()), 2)
    if run.duration_s > 0:
        run.rtfx = round(run.audio_s / run.duration_s, 3)
        run.per_s = round(int(answered.sum()) / run.duration_s, 3)


def _add_latencies(run: Run, loaded: Loaded, load: Load) -> None:
    records = loaded.records
    outcome = np.array(records.outcome, dtype=np.int8)
    # What never came took at least as long as one waited for it; without it a target that answers
    # one in ten quickly would seem quick.
    answered = (outcome == Outcome.ANSWERED) | (outcome == Outcome.LOST)
    done, spoken, sent = (records.column(name)[answered] for name in ("done", "spoken", "sent"))
    run.latency = summarise((done - spoken) * 1000)
    if not isinstance(load.kind, Sessions):
        run.latency_sent = summarise((done - sent) * 1000)
        if isinstance(load.kind, Closed):  # nothing was planned but to ask at once
            run.latency_sent = run.latency
        return
    run.latency_sent = run.latency
    due = records.column("due")[answered]
    for name, since in (("first_partial", due), ("first_final", due), ("second", spoken)):
        took = (records.column(name)[answered] - since) * 1000
        found = summarise(took[~np.isnan(took)])
        setattr(run, "second_pass" if name == "second" else name, found)
    run.chunk = summarise(np.array(records.chunk_latency) * 1000)
    if load.kind.paced and len(records):
        # Real time: the answer came within a second of the last word, and no chunk had to wait
        # longer than its own length for the target to take it.
        limit = max(1.0, load.kind.chunk_ms / 1000)
        kept = (
            (outcome[answered] == Outcome.ANSWERED)
            & (done - spoken <= limit)
            & (records.column("slipped")[answered] <= load.kind.chunk_ms / 1000)
        )
        run.real_time = round(float(kept.sum()) / len(records), 4)


def _errors(loaded: Loaded) -> list[ErrorKind]:
    records = loaded.records
    outcome, what = np.array(records.outcome), np.array(records.what)
    times: Counter[int] = Counter(what[outcome != Outcome.ANSWERED].tolist())
    done = records.column("done") - loaded.begin
    found = []
    for number, count in times.most_common():
        kind, message = records.errors[number]
        mine = (outcome != Outcome.ANSWERED) & (what == number)
        refusal = bool((outcome[mine] == Outcome.REFUSED).all())
        found.append(ErrorKind(kind, count, message, round(float(done[mine].min()), 3), refusal))
    return found
