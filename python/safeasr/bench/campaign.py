"""A whole command: every target, every load, one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from safeasr.bench.audio.clips import Clip
from safeasr.bench.find_max import find_max
from safeasr.bench.findings.environment import environment
from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.results import Report, Run
from safeasr.bench.interrupts import Interrupts
from safeasr.bench.load.fleet import Fleet
from safeasr.bench.load.loaded import Alone, Progress
from safeasr.bench.load.loads import Closed, Load, Rate, Sessions
from safeasr.bench.measure import measure, target_pids
from safeasr.bench.targets.base import Options, TargetError

__all__ = ["Campaign", "Watch", "conduct"]


class Watch(Protocol):
    """Is told how it goes, from the thread that conducts."""

    def opening(self, target: str) -> None:
        """A target is being made."""

    def alone(self, target: str, answered: int, clips: int) -> None:
        """So many clips were asked for alone."""

    def loading(self, target: str, load: Load) -> None:
        """A load begins."""

    def progress(self, progress: Progress, begin: float) -> None:
        """How it goes; `begin` is roughly its second 0."""

    def ended(self, run: Run) -> None:
        """A load ended."""


@dataclass(frozen=True)
class Campaign:
    """What to do.

    Attributes:
        title: for the report.
        command: the command line.
        targets: as the user writes them, each with options of its own.
        clips: what is said; of sessions, whole utterances with pauses.
        loads: one after the other, on every target.
        goal: find the highest level at which it holds, beginning with the first of `loads`.
        most: highest level that is tried for that.
        alone: whether to ask for each clip alone first, to compare with.
        processes: generators of remote targets.
        pids: processes in which a remote target computes, if the user knows.
        source: where the clips are from, for the report.
    """

    title: str
    command: str
    targets: Sequence[tuple[str, Options]]
    clips: Sequence[Clip]
    loads: Sequence[Load]
    goal: Goal | None = None
    most: float = 4096.0
    alone: bool = True
    processes: int = 1
    pids: Sequence[int] = ()
    source: str = ""


def conduct(campaign: Campaign, watch: Watch, interrupts: Interrupts) -> Report:
    """Do it all. Ctrl-C ends the load that runs, and the report tells of what ran until then.

    Args:
        campaign: what to do.
        watch: is told how it goes.
        interrupts: entered; they wait from when this returns, so that the report can be written.

    Raises:
        TargetError: no target could be used.
        KeyboardInterrupt: before anything ran.
    """
    report = Report(campaign.title, campaign.command, environment())
    report.clips = {
        "count": len(campaign.clips),
        "seconds": round(sum(clip.seconds for clip in campaign.clips), 1),
        "source": campaign.source,
        "references": sum(clip.reference is not None for clip in campaign.clips),
    }
    try:
        for spec, options in campaign.targets:
            try:
                _one_target(campaign, spec, options, report, watch, interrupts)
            except TargetError as error:
                # What was measured before is worth a report all the same.
                report.failed.append({"target": spec, "message": str(error)})
            if interrupts.came:
                break
        interrupts.wait()
    except KeyboardInterrupt:
        interrupts.wait()
        if not report.runs:
            raise
    report.interrupted = interrupts.came
    if report.failed and not report.runs:
        raise TargetError("\n".join(one["message"] for one in report.failed))
    return report


def _one_target(
    campaign: Campaign,
    spec: str,
    options: Options,
    report: Report,
    watch: Watch,
    interrupts: Interrupts,
) -> None:
    watch.opening(spec)
    # A call that waits for a thread of the tester would be the tester's delay.
    options = replace(options, threads=max(options.threads, _most_at_once(campaign)))
    processes = campaign.processes if "://" in spec else 1
    sessions = campaign.loads[0].kind if isinstance(campaign.loads[0].kind, Sessions) else None
    with Fleet(spec, options, campaign.clips, processes) as fleet:
        alone = Alone()
        if campaign.alone:
            count = len(campaign.clips)
            watch.alone(spec, 0, count)
            alone = fleet.alone(
                sessions,
                campaign.loads[0].timeout_s,
                lambda number: watch.alone(spec, number + 1, count),
            )
            if count and not any(answer is not None for answer in alone.answers):
                clip, kind, message = alone.errors[0]
                raise TargetError(f"{spec}: it answered no clip alone; {clip}: {kind}: {message}")
        else:  # first runs allocate, load and tune: they are no part of the figures
            fleet.alone(sessions, campaign.loads[0].timeout_s, clips=1)
        pids = target_pids(spec, fleet, campaign.pids)

        def run(load: Load) -> Run | None:
            if interrupts.came:
                return None
            watch.loading(spec, load)
            begin = time.monotonic()
            with interrupts.waiting(fleet.stop):
                found = measure(
                    fleet, load, campaign.clips, alone, pids, lambda p: watch.progress(p, begin)
                )
                report.runs.append(found)
            watch.ended(found)
            return found

        if campaign.goal is None:
            for load in campaign.loads:
                run(load)
            return
        _search(campaign, spec, campaign.goal, run, report)


def _search(
    campaign: Campaign, spec: str, goal: Goal, run: Callable[[Load], Run | None], report: Report
) -> None:
    if not any(one.name in ("errors", "lost") for one in goal.conditions):
        # Nobody means "fast where it answers at all".
        goal = Goal.parse(f"{goal.text},errors=0")
    first = campaign.loads[0]
    whole = not isinstance(first.kind, Rate)
    found = find_max(
        lambda level: run(at_level(first, level)),
        goal,
        start=first.level,
        most=campaign.most,
        whole=whole,
    )
    unit = {Closed: "callers", Rate: "requests/s", Sessions: "sessions"}[type(first.kind)]
    report.found.append(
        {
            "target": spec,
            "goal": goal.text,
            "level": found.level,
            "unit": unit,
            "bounded": found.bounded,
            "tried": [[level, held] for level, held in found.tried],
        }
    )


def _most_at_once(campaign: Campaign) -> int:
    """How many calls may be under way together."""
    if campaign.goal is not None:
        return int(campaign.most)
    return max(
        one.kind.most_in_flight if isinstance(one.kind, Rate) else int(one.level)
        for one in campaign.loads
    )


def at_level(load: Load, level: float) -> Load:
    """The same load with another number of callers, sessions, or requests per second."""
    kind = load.kind
    if isinstance(kind, Closed):
        return replace(load, kind=replace(kind, callers=int(level)))
    if isinstance(kind, Sessions):
        return replace(load, kind=replace(kind, sessions=int(level)))
    return replace(load, kind=replace(kind, per_s=level))
