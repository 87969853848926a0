"""The most that a target bears: the largest load at which a goal still holds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.results import Run

__all__ = ["Found", "find_max"]

#: Two levels that are nearer than this, relative to the lower one, count as the same.
CLOSE = 0.03
#: Conditions that a race misses now and then, and whose missing is what one looks for.
_NO_HICCUPS = frozenset(("wrong", "identical", "errors", "lost", "refused", "different"))


@dataclass
class Found:
    """The result of a search.

    Attributes:
        level: the highest at which the goal held; 0: at none that was tried.
        tried: each level and whether the goal held there, in the order they were tried.
        bounded: whether a level was found at which it did not; else `level` is only the highest one
            that was tried.
    """

    level: float = 0.0
    tried: list[tuple[float, bool]] = field(default_factory=list)
    bounded: bool = False


def find_max(
    run_at: Callable[[float], Run | None],
    goal: Goal,
    *,
    start: float = 1.0,
    most: float = 4096.0,
    whole: bool = True,
) -> Found:
    """Double the level until the goal does not hold, then halve the gap until it is small.

    A goal of time that fails once is tried once more at this level: one hiccup of the machine shall
    not decide where the search ends. Wrong answers and errors are no hiccups. A run that the tester
    calls invalid does not hold: what it bears is then the tester's limit.

    Args:
        run_at: runs the load of a level; None: it was interrupted, and the search ends.
        goal: what must hold.
        start: the first level.
        most: the highest one that is tried.
        whole: levels are whole numbers, such as callers.
    """
    found = Found()

    def holds(level: float) -> bool | None:
        for _ in range(2):
            run = run_at(level)
            if run is None:
                return None
            held = goal.holds(run) and run.tester.valid
            found.tried.append((level, held))
            if held:
                return True
            missed = {one.name for one in goal.conditions if not one.is_true(run)}
            if missed & _NO_HICCUPS:
                break
        return False

    def near(low: float, high: float) -> bool:
        return high - low <= (1 if whole and low < 1 / CLOSE else low * CLOSE)

    good, bad = 0.0, math.inf
    level = start
    while not near(good, bad):
        held = holds(level)
        if held is None:
            break
        if held:
            good = level
            if level >= most:
                break
        else:
            bad = level
            found.bounded = True
        level = min(most, level * 2) if bad == math.inf else (good + bad) / 2
        if whole:
            level = float(math.floor(level))
        elif good == 0 and level < start / 64:
            break
        if level <= good or level >= bad:
            break
    found.level = good
    return found
