"""One sentence that says what held a load up, and what speaks for it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from safeasr.bench.findings.results import Run, Second, Tester

__all__ = ["bottleneck_of", "lateness_of"]

#: A tester that is late by more than this, or by a tenth of the latency up to the second, measures
#: itself.
LATE_MS, MOST_LATE_MS = 20.0, 100.0


def lateness_of(
    late_ms: Sequence[float] | None, lag_p95_ms: float, p50_ms: float | None, run: Run, remote: bool
) -> Tester:
    """Whether the tester was the bottleneck.

    Args:
        late_ms: p50, p95 and the maximum of how late requests left; None: nothing was planned.
        lag_p95_ms: how late the sending loop was, asked fifty times a second.
        p50_ms: median latency.
        run: counts and time line.
        remote: whether the target computes elsewhere. In one process its work and the tester's
            share an interpreter, so that a late loop says nothing about who was slow; each call is
            timed in its own thread.
    """
    tester = Tester()
    limit = max(LATE_MS, min((p50_ms or 0.0) / 10, MOST_LATE_MS))
    whose = (
        "more processes or another machine must generate this load"
        if remote
        else "the target holds the interpreter, which it shares with the tester"
    )
    if late_ms is not None:
        tester.late_p50_ms, tester.late_p95_ms, tester.late_max_ms = (round(v, 2) for v in late_ms)
        if late_ms[1] > limit:
            tester.valid = False
            tester.reason = (
                f"the tester sent one request in twenty more than {late_ms[1]:.0f} ms late, "
                f"at a median latency of {p50_ms or 0:.0f} ms: {whose}"
            )
    elif remote and lag_p95_ms > limit:
        tester.valid = False
        tester.reason = (
            f"the tester's own loop was {lag_p95_ms:.0f} ms late in one of twenty looks: it had "
            "too little processor to notice answers in time"
        )
    return tester


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def bottleneck_of(run: Run, allowed_cores: int, remote: bool) -> str:
    """The sentence.

    Args:
        run: with counts, latency and time line.
        allowed_cores: processors that this machine lets the processes use.
        remote: whether the target's processes are not the tester's.
    """
    if not run.tester.valid:
        return f"The tester itself: {run.tester.reason}."
    # The first and last second are partly idle.
    seconds = run.seconds[1:-1] if len(run.seconds) > 4 else run.seconds
    return (
        _limit(seconds)
        or _gpu(seconds)
        or _processor(run, seconds, allowed_cores, remote)
        or _elsewhere(run, seconds, remote)
    )


def _limit(seconds: Sequence[Second]) -> str | None:
    throttled = _mean(one.throttled for one in seconds)
    if throttled is None or throttled < 0.05:
        return None
    return (
        f"The container's processor limit: it held the processes up for {throttled:.0%} of the "
        "time."
    )


def _gpu(seconds: Sequence[Second]) -> str | None:
    busy = _mean(one.gpu for one in seconds)
    return None if busy is None or busy < 0.9 else f"The GPU: {busy:.0%} busy."


def _processor(run: Run, seconds: Sequence[Second], allowed: int, remote: bool) -> str | None:
    used = _mean(one.target_cores for one in seconds)
    machine = _mean(sum(one.cores) if one.cores else None for one in seconds)
    if used is not None and used >= 0.85 * allowed:
        return (
            f"The processor: the target kept {used:.1f} of {allowed} cores busy{_batches(seconds)}."
        )
    if machine is not None and machine >= 0.9 * allowed:
        others = f", of which the target had {used:.1f}" if used is not None else ""
        return f"The processor of this machine: {machine:.1f} of {allowed} cores were busy{others}."
    alone = used is not None and allowed > 1 and 0.85 <= used <= 1.15
    if alone and _pushes(run) and run.load["level"] > 1:
        return (
            f"One core: the target used {used:.2f} of {allowed}, however many asked. A lock around "
            "it, or Python's own, lets one work at a time."
        )
    return None


def _elsewhere(run: Run, seconds: Sequence[Second], remote: bool) -> str:
    used = _mean(one.target_cores for one in seconds)
    if not _pushes(run):
        share = "" if used is None else f" It used {used:.1f} cores."
        p50, p95 = run.latency.p50, run.latency.p95
        if run.counts.errors or run.counts.refused or p95 is None:
            bad = run.counts.errors + run.counts.refused
            asked = run.counts.asked
            return f"The target's errors: {bad} of {asked} requests were not answered.{share}"
        if _falls_behind(run):
            return f"The target: it fell behind, and more and more requests were under way.{share}"
        if p50 is not None and p95 > 10 * max(1.0, p50):
            return f"Stalls: one request in twenty took ten times the median.{share}"
        return f"Nothing: the target kept up with this load.{share}"
    if used is None and not remote:
        return "Not known: the load was too short to look at the target."
    if used is None:
        return "Not known: the target's processes are not on this machine, or may not be looked at."
    return (
        f"Waiting: {run.load['level']:g} callers kept the target at {used:.1f} cores. More callers "
        "might, or it waits for something that is no processor."
    )


def _pushes(run: Run) -> bool:
    """Whether more would have been asked if it had been answered sooner."""
    kind = run.load["kind"]
    return kind == "closed" or (kind == "sessions" and not run.load.get("paced", True))


def _falls_behind(run: Run) -> bool:
    """Whether work piled up, or speakers had to wait."""
    if run.real_time is not None and run.real_time < 0.99:
        return True
    if len(run.seconds) < 4 or run.load["kind"] == "sessions":
        return False
    third = len(run.seconds) // 3
    early = statistics.fmean(one.in_flight for one in run.seconds[:third])
    planned = float(run.load.get("seconds") or 0.0)
    late = [one.in_flight for one in run.seconds if planned - third <= one.t < planned]
    return bool(late) and statistics.fmean(late) > 2 * early + 4


def _batches(seconds: Sequence[Second]) -> str:
    batches = _mean(one.target.get("batches/s") for one in seconds)
    requests = _mean(one.target.get("batched_requests/s") for one in seconds)
    queued = _mean(one.target.get("waiting") for one in seconds)
    said = ""
    if batches and requests:
        said += f", in batches of {requests / batches:.1f}"
    if queued is not None:
        said += f", with {queued:.1f} waiting in its queue"
    return said
