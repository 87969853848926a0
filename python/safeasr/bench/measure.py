"""One load on one target, from the order to begin to the finished :class:`Run`."""

from __future__ import annotations

import base64
import io
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import numpy as np
import soundfile

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.findings.bottleneck import bottleneck_of, lateness_of
from safeasr.bench.findings.judge import accuracy_of, judge
from safeasr.bench.findings.latency import summarise
from safeasr.bench.findings.resources import Sampler, listener_of
from safeasr.bench.findings.results import Difference, ErrorKind, Run
from safeasr.bench.findings.timeline import memory_slope, seconds_of
from safeasr.bench.load.fleet import Alone, Fleet, Loaded, Progress
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.bench.load.records import Outcome

__all__ = ["measure", "target_pids"]

_PLAYED = 12  # clips that differ and can be heard in the report
_LONGEST_PLAYED_S = 30.0
_RECORD_BYTES = 90.0  # of a row of Records


def target_pids(spec: str, fleet: Fleet, asked: Sequence[int]) -> list[int]:
    """The processes in which a target computes; none if they are elsewhere or not known."""
    if asked:
        return list(asked)
    if "://" not in spec:
        return fleet.pids
    url = urlsplit(spec)
    if url.hostname not in ("localhost", "127.0.0.1", "::1"):
        return []
    pid = listener_of(url.port or (443 if url.scheme in ("https", "wss") else 80))
    return [] if pid is None else [pid]


def measure(
    fleet: Fleet,
    load: Load,
    clips: Sequence[Clip],
    alone: Alone,
    pids: Sequence[int],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Run:
    """Run the load and say what came of it.

    Args:
        fleet: generators, opened, that say these `clips`.
        load: what to do.
        clips: see there.
        alone: what the target answers alone; empty: answers are compared with nothing.
        pids: processes in which the target computes.
        on_progress: told twice a second how it goes.

    Raises:
        TargetError: a generator died.
    """
    began = time.time()
    remote = "://" in fleet.spec
    with Sampler(pids, fleet.pids if remote else [], period_s=1.0) as sampler:
        loaded = fleet.run(load, on_progress)
    records = loaded.records
    judgement = judge(records, clips, alone.answers, loaded.begin)
    run = Run(fleet.spec, load.as_dict(), about=fleet.about, began=round(began, 3))
    run.counts = judgement.counts
    _add_speed(run, loaded, clips)
    _add_latencies(run, loaded, load)
    run.errors = _errors(loaded)
    run.differences = [_playable(one, clips) for one in judgement.differences[:_PLAYED]]
    run.accuracy = accuracy_of(records, clips, alone.answers)
    run.seconds = seconds_of(loaded, judgement.wrong, sampler.samples)
    run.memory_slope_mb_h = memory_slope(run.seconds, 0.0 if remote else _RECORD_BYTES)
    _add_tester(run, loaded, load, remote, len(fleet.pids))
    run.bottleneck = bottleneck_of(run, _allowed_cores(), remote)
    _add_notes(run, load, alone, loaded)
    return run


def _allowed_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def _playable(difference: Difference, clips: Sequence[Clip]) -> Difference:
    clip = next(one for one in clips if one.name == difference.clip)
    if clip.seconds <= _LONGEST_PLAYED_S:
        file = io.BytesIO()
        soundfile.write(file, clip.samples, SAMPLE_RATE, format="FLAC")
        difference.audio = base64.b64encode(file.getvalue()).decode()
    return difference


def _add_tester(run: Run, loaded: Loaded, load: Load, remote: bool, processes: int) -> None:
    late = np.array(loaded.records.late) * 1000
    planned = not isinstance(load.kind, Closed) and len(late)
    figures = [float(v) for v in np.percentile(late, [50, 95, 100])] if planned else None
    lag = float(np.percentile(loaded.lags, 95)) * 1000 if len(loaded.lags) else 0.0
    run.tester = lateness_of(figures, lag, run.latency.p50, run, remote)
    run.tester.held_back = loaded.records.held_back
    run.tester.processes = processes


def _add_notes(run: Run, load: Load, alone: Alone, loaded: Loaded) -> None:
    if isinstance(load.kind, Closed):
        run.notes.append(
            "A closed loop asks only when it was answered: if the target stalls, nobody else "
            "comes, and the latencies do not show who would have waited. Use --rate to see that."
        )
    if isinstance(load.kind, Sessions) and not load.kind.paced:
        run.notes.append("Sessions sent as fast as they were taken, not in real time.")
    for clip, kind, message in alone.errors[:3]:
        run.notes.append(
            f"Alone, {clip} failed three times, so its answers are compared with nothing: "
            f"{kind}: {message}"
        )
    if loaded.given_up:
        run.notes.append(
            f"The load was stopped: {loaded.given_up} requests that were under way are not counted."
        )
    if run.tester.held_back:
        run.notes.append(
            f"{run.tester.held_back} requests waited until others had ended, because as many were "
            "under way as the tester has room for; their latency counts from the planned moment."
        )
    if not any(answer is not None for answer in alone.answers):
        run.notes.append("Answers were compared with nothing: none was taken alone.")
