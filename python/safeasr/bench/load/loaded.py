"""What is known of a load, while it runs and when it has ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.load.records import Records
from safeasr.bench.targets.base import Answer

__all__ = ["Alone", "Loaded", "Progress"]


@dataclass
class Alone:
    """What a target says of each clip alone.

    Attributes:
        answers: by the clip's number; None where it failed.
        errors: of those: clip, kind, message.
    """

    answers: list[Answer | None] = field(default_factory=list)
    errors: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Progress:
    """How a load goes.

    Attributes:
        at: moment by :func:`time.monotonic`.
        asked: requests that were begun.
        in_flight: those under way.
        ended: those that ended.
        stats: the target's own numbers.
    """

    at: float
    asked: int
    in_flight: int
    ended: int
    stats: dict[str, float]


@dataclass
class Loaded:
    """What a load left.

    Attributes:
        records: of all requests that ended.
        begin: second 0, by :func:`time.monotonic`.
        end: moment of the last answer.
        lags: how late the sending loops were, (n,) in seconds.
        progress: how it went, from before the first request to after the last one.
        given_up: requests that were under way when the load was stopped.
        cpu_s: processor time of the generators meanwhile, in seconds, and of targets in process.
    """

    records: Records
    begin: float
    end: float
    lags: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    progress: list[Progress] = field(default_factory=list)
    given_up: int = 0
    cpu_s: float = 0.0
