"""Requests and samples, second by second."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.findings.resources import Sample
from safeasr.bench.findings.results import Second
from safeasr.bench.load.loaded import Loaded, Progress
from safeasr.bench.load.records import Outcome

__all__ = ["memory_slope", "seconds_of"]

#: Runs shorter than this have no slope worth the name.
SLOPE_FROM_S = 240.0


def seconds_of(loaded: Loaded, wrong: NDArray[np.bool_], samples: Sequence[Sample]) -> list[Second]:
    """The time line of a load.

    Args:
        loaded: the load.
        wrong: of each request, whether its answer is wrong.
        samples: of the machine, at least one before and after.
    """
    records = loaded.records
    count = max(1, int(np.ceil(loaded.end - loaded.begin)))
    sent = records.column("sent") - loaded.begin
    done = records.column("done") - loaded.begin
    latency = (records.column("done") - records.column("spoken")) * 1000
    outcome = np.array(records.outcome, dtype=np.int8)
    began = np.clip(np.nan_to_num(sent).astype(np.int64), 0, count - 1)
    ended = np.clip(np.nan_to_num(done, nan=count - 1).astype(np.int64), 0, count - 1)

    def per_second(which: NDArray[np.bool_], at: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(at[which], minlength=count)

    everything = np.ones(len(records), dtype=bool)
    asked = per_second(everything, began)
    answered = outcome == Outcome.ANSWERED
    columns = {
        "asked": asked,
        "answered": per_second(answered, ended),
        "failed": per_second((outcome == Outcome.FAILED) | (outcome == Outcome.LOST), ended),
        "refused": per_second(outcome == Outcome.REFUSED, ended),
        "wrong": per_second(wrong, ended),
        "in_flight": np.cumsum(asked - per_second(everything, ended)),
    }
    order = np.argsort(ended[answered], kind="stable")
    sorted_latency = latency[answered][order]
    borders = np.searchsorted(ended[answered][order], np.arange(count + 1))
    seconds = []
    for t in range(count):
        values: dict[str, Any] = {name: int(column[t]) for name, column in columns.items()}
        mine = sorted_latency[borders[t] : borders[t + 1]]
        second = Second(float(t), **values)
        if len(mine):
            second.p50, second.p95 = (round(float(v), 2) for v in np.percentile(mine, [50, 95]))
        seconds.append(second)
    _add_samples(seconds, samples, loaded.begin)
    _add_stats(seconds, loaded.progress, loaded.begin)
    return seconds


def _add_samples(seconds: list[Second], samples: Sequence[Sample], begin: float) -> None:
    ends = [sample.at for sample in samples]
    for second in seconds:
        # The two samples around its middle; of a second that ended early, the last ones in it.
        place = bisect.bisect(ends, begin + second.t + 0.5)
        if place == len(samples) and ends and ends[-1] > begin + second.t:
            place -= 1
        if not 0 < place < len(samples):
            continue
        after = samples[place]
        # What lies too near together says nothing of a rate.
        before = next((one for one in samples[place - 1 :: -1] if after.at - one.at >= 0.2), None)
        if before is None:
            continue
        passed = after.at - before.at
        second.cores = after.cores
        second.memory_mb, second.threads = after.memory_mb, after.threads
        second.gpu, second.gpu_memory_mb = after.gpu, after.gpu_memory_mb
        second.target_cores = _rate(before.target_cpu_s, after.target_cpu_s, passed)
        second.tester_cores = _rate(before.tester_cpu_s, after.tester_cpu_s, passed)
        second.context_switches = _rate(before.switches, after.switches, passed)
        second.throttled = _share(before.periods, after.periods)


def _rate(before: float | None, after: float | None, passed: float) -> float | None:
    if before is None or after is None:
        return None
    return round(max(0.0, after - before) / passed, 3)


def _share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    """Of a group's periods since then, the share in which it was held up."""
    if before is None or after is None or after[0] == before[0]:
        return None
    return round((after[1] - before[1]) / (after[0] - before[0]), 3)


def _add_stats(seconds: list[Second], progress: Sequence[Progress], begin: float) -> None:
    """The target's own numbers: gauges as they are, what only grows as a rate."""
    if not progress:
        return
    names = {name for one in progress for name in one.stats}
    grows = {
        name
        for name in names
        if all(
            a.stats.get(name, 0.0) <= b.stats.get(name, 0.0)
            for a, b in itertools.pairwise(progress)
        )
        and progress[-1].stats.get(name, 0.0) > progress[0].stats.get(name, 0.0)
    }
    for before, after in itertools.pairwise(progress):
        place = int(after.at - begin)
        if not 0 <= place < len(seconds) or after.at - before.at < 0.1:
            continue
        for name in names & after.stats.keys():
            value = after.stats[name]
            if name in grows:
                value = (value - before.stats.get(name, value)) / (after.at - before.at)
                seconds[place].target[f"{name}/s"] = round(value, 3)
            else:
                seconds[place].target[name] = round(value, 3)


def memory_slope(seconds: Sequence[Second], own_bytes: float = 0.0) -> list[float] | None:
    """Growth of the target's memory in MB per hour: [slope, low, high] with 95 % confidence.

    The first tenth, in which caches fill, is left out. Neighbouring seconds are not independent, so
    the interval is that of eight means of equal stretches.

    Args:
        seconds: the time line.
        own_bytes: what the tester itself keeps of each request in the same process.
    """
    known = []
    kept = 0.0
    for one in seconds:
        kept += own_bytes * one.asked / 2**20
        if one.memory_mb is not None:
            known.append((one.t, one.memory_mb - kept))
    known = known[len(known) // 10 :]
    if len(known) < 8 or known[-1][0] - known[0][0] < SLOPE_FROM_S:
        return None
    groups = np.array_split(np.array(known, dtype=np.float64), 8)
    t, y = np.array([group.mean(axis=0) for group in groups]).T
    t = (t - t.mean()) / 3600
    slope = float((t * y).sum() / (t * t).sum())
    rest = y - y.mean() - slope * t
    error = float(np.sqrt((rest**2).sum() / max(1, len(t) - 2) / (t * t).sum()))
    width = 2.447 * error  # Student's t for 95 % and six degrees of freedom
    return [round(slope, 2), round(slope - width, 2), round(slope + width, 2)]
