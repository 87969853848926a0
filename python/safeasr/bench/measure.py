"""One load on one target, from the order to begin to the finished :class:`Run`."""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import numpy as np
import soundfile

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.findings.bottleneck import bottleneck_of, lateness_of
from safeasr.bench.findings.figures import figures_of
from safeasr.bench.findings.resources import Sampler, listener_of
from safeasr.bench.findings.results import Difference, Run
from safeasr.bench.findings.timeline import memory_slope, seconds_of
from safeasr.bench.load.fleet import Fleet
from safeasr.bench.load.loaded import Alone, Loaded, Progress
from safeasr.bench.load.loads import Closed, Load, Sessions

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
    run, judgement = figures_of(fleet.spec, load, loaded, clips, alone.answers)
    run.about, run.began = fleet.about, round(began, 3)
    run.differences = [_playable(one, clips) for one in run.differences[:_PLAYED]]
    run.seconds = seconds_of(loaded, judgement.wrong, sampler.samples)
    run.memory_slope_mb_h = memory_slope(run.seconds, 0.0 if remote else _RECORD_BYTES)
    _add_tester(run, loaded, load, remote, len(fleet.pids))
    run.bottleneck = bottleneck_of(run, _allowed_cores(), remote)
    _add_notes(run, load, alone, loaded)
    return run


def _allowed_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
