"""Loads: how many ask, or when; planned before the first request leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Closed", "Load", "Rate", "Sessions", "clip_order"]


@dataclass(frozen=True)
class Closed:
    """Callers of which each asks anew as soon as it was answered.

    Attributes:
        callers: how many.
        seconds: how long they begin new requests, or
        requests: how many they make in all.
    """

    callers: int
    seconds: float | None = 10.0
    requests: int | None = None

    @property
    def label(self) -> str:
        """For tables."""
        return f"{self.callers} caller{'s' * (self.callers != 1)}"


@dataclass(frozen=True)
class Rate:
    """Requests that come when they come (Poisson), whatever becomes of the earlier ones.

    Attributes:
        per_s: requests per second, at the beginning.
        seconds: how long.
        up_to: requests per second at the end, reached steadily; None: as at the beginning.
        seed: of the arrivals; the same one gives the same moments.
        most_in_flight: beyond that many requests under way new ones wait for old ones to end.
    """

    per_s: float
    seconds: float = 10.0
    up_to: float | None = None
    seed: int = 0
    most_in_flight: int = 2000

    @property
    def label(self) -> str:
        """For tables."""
        ramp = "" if self.up_to is None else f" to {self.up_to:g}"
        return f"{self.per_s:g}{ramp} requests/s"

    def arrivals(self) -> NDArray[np.float64]:
        """The moments (n,) in seconds, ascending, all below `seconds`."""
        last = self.per_s if self.up_to is None else self.up_to
        expected = (self.per_s + last) / 2 * self.seconds
        random = np.random.default_rng(self.seed)
        # A Poisson process of rate 1, its time stretched so that the rate is what is wanted.
        steps = random.exponential(size=int(expected + 10 * np.sqrt(expected) + 20))
        mass = np.cumsum(steps)
        mass = mass[mass < expected]
        slope = (last - self.per_s) / self.seconds
        if abs(slope) < 1e-12:
            return np.asarray(mass / self.per_s)
        # per_s * t + slope * t^2 / 2 = mass
        root = np.sqrt(self.per_s**2 + 2 * slope * mass)
        return np.asarray((root - self.per_s) / slope)


@dataclass(frozen=True)
class Sessions:
    """Speakers who talk at the same time, in real time.

    Attributes:
        sessions: how many.
        seconds: how long they begin new utterances.
        chunk_ms: audio in each message.
        paced: False: each sends as fast as the target takes it.
        rounds: how many utterances each says; None: as many as begin in time.
        spread_s: time in which they begin, one after the other, in seconds; None: that of the
            longest clip, but no more than half of `seconds`.
    """

    sessions: int
    seconds: float = 10.0
    chunk_ms: int = 600
    paced: bool = True
    rounds: int | None = None
    spread_s: float | None = None

    @property
    def label(self) -> str:
        """For tables."""
        return f"{self.sessions} session{'s' * (self.sessions != 1)}"


@dataclass(frozen=True)
class Load:
    """A load, and what all kinds share.

    Attributes:
        kind: see there.
        timeout_s: after which a request counts as lost.
        seed: of the order of the clips.
    """

    kind: Closed | Rate | Sessions
    timeout_s: float = 60.0
    seed: int = 0

    @property
    def level(self) -> float:
        """The number that grows from load to load."""
        kind = self.kind
        if isinstance(kind, Closed):
            return kind.callers
        return kind.sessions if isinstance(kind, Sessions) else kind.per_s

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        name = {Closed: "closed", Rate: "rate", Sessions: "sessions"}[type(self.kind)]
        if isinstance(self.kind, Rate) and self.kind.up_to is not None:
            name = "ramp"
        return {
            "kind": name,
            "label": self.kind.label,
            "level": self.level,
            **asdict(self.kind),
            "timeout_s": self.timeout_s,
        }

    def share(self, part: int, parts: int) -> Load | None:
        """What one of several generators does of it; None: nothing is left for it.

        Of rates each generator knows the whole schedule and takes each `parts`-th request.
        """
        kind = self.kind
        if parts == 1 or isinstance(kind, Rate):
            return self
        if isinstance(kind, Closed):
            most, of = kind.callers, "callers"
        else:
            most, of = kind.sessions, "sessions"
        own = most // parts + (part < most % parts)
        if own == 0:
            return None
        values = {**asdict(kind), of: own}
        requests = values.get("requests")
        if requests is not None:
            before = part * (most // parts) + min(part, most % parts)
            values["requests"] = requests * (before + own) // most - requests * before // most
        return Load(type(kind)(**values), self.timeout_s, self.seed + part)


def clip_order(clips: int, seed: int) -> NDArray[np.int64]:
    """Numbers of clips in the order in which they are said, (64 * clips,), to be read in a circle.

    All once, then all once more in another order, and so on.
    """
    random = np.random.default_rng(seed)
    return np.concatenate([random.permutation(clips) for _ in range(64)])
