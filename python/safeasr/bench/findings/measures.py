"""The values of a run that goals can name, and why one is not known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from safeasr.bench.findings.latency import P99_SAMPLES, P999_SAMPLES
from safeasr.bench.findings.results import Latency, Run

__all__ = ["MEASURES", "Measure", "UnknownError", "is_sessions"]

_STATISTICS = ("p50", "p90", "p95", "p99", "p999", "mean", "max")
_SESSION_LATENCIES = ("first_partial", "first_final", "second_pass", "chunk")


class UnknownError(Exception):
    """A run does not know the value; the message says why.

    Attributes:
        applies: False if runs of this kind never have it, such as what only sessions have.
    """

    def __init__(self, why: str, applies: bool = True) -> None:
        super().__init__(why)
        self.applies = applies


@dataclass(frozen=True)
class Measure:
    """A value that goals can name.

    Attributes:
        of: takes it from a run; raises :class:`UnknownError`.
        units: what may follow a number, and by what the number is multiplied then; "" is a number
            by itself, "%" of counts is of the requests that were asked.
        unit: in which the value is shown.
        example: how a number of it is written.
        counted: whether it is a number of requests.
    """

    of: Callable[[Run], float]
    units: dict[str, float]
    unit: str
    example: str
    counted: bool = False

    def read(self, text: str) -> tuple[float, str]:
        """A number with its unit, as a value of this measure, and the unit.

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*(.*)", text, re.IGNORECASE)
        units = {name.lower(): factor for name, factor in self.units.items()}
        if match is None or match[2].lower() not in units:
            raise ValueError(f"expected a number such as {self.example}, got {text!r}")
        return float(match[1]) * units[match[2].lower()], match[2]

    def show(self, value: float) -> str:
        """The value with its unit, for people."""
        if self.unit == "%":
            return f"{100 * value:.4g} %"
        shown = f"{value:,.0f}" if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"
        return f"{shown} {self.unit}".rstrip()


def is_sessions(run: Run) -> bool:
    """Whether its load was live sessions."""
    return run.real_time is not None or run.load.get("kind") == "sessions"


def _statistic(latency: Latency, name: str) -> float:
    value: float | None = getattr(latency, name)
    if value is not None:
        return value
    needed = {"p99": P99_SAMPLES, "p999": P999_SAMPLES}.get(name, 1)
    if latency.samples:
        raise UnknownError(f"{latency.samples:,} samples are too few, it needs {needed:,}")
    raise UnknownError("nothing was measured")


def _latency(attribute: str, statistic: str) -> Measure:
    def of(run: Run) -> float:
        if attribute in _SESSION_LATENCIES and not is_sessions(run):
            raise UnknownError("the load has no sessions", applies=False)
        return _statistic(getattr(run, attribute), statistic)

    return Measure(of, {"ms": 1.0, "s": 1000.0}, "ms", "600ms or 0.6s")


def _count(name: str) -> Measure:
    def of(run: Run) -> float:
        if not run.counts.asked:
            raise UnknownError("nothing was asked")
        return float(getattr(run.counts, name))

    return Measure(of, {"": 1.0, "%": 0.01}, "", "0 or 0.1%", counted=True)


def _error_rate(unit: str, other: str) -> Callable[[Run], float]:
    def of(run: Run) -> float:
        if run.accuracy is None:
            raise UnknownError("no clip has a reference")
        if run.accuracy.unit != unit:
            raise UnknownError(
                f"the clips' language is counted by the {run.accuracy.unit}: use {other}"
            )
        if run.accuracy.loaded is None:
            raise UnknownError("no clip with a reference was answered")
        return run.accuracy.loaded

    return of


def _real_time(run: Run) -> float:
    if run.real_time is None:
        raise UnknownError("the load has no sessions", applies=is_sessions(run))
    return run.real_time


def _memory_slope(run: Run) -> float:
    if not run.memory_slope_mb_h:
        raise UnknownError("the run was too short, or the target's memory is out of sight")
    return run.memory_slope_mb_h[0]


_SHARE = {"": 1.0, "%": 0.01}

#: By name.
MEASURES: dict[str, Measure] = {
    **{name: _latency("latency", name) for name in _STATISTICS},
    **{
        f"{attribute}.{name}": _latency(attribute, name)
        for attribute in _SESSION_LATENCIES
        for name in _STATISTICS
    },
    **{name: _count(name) for name in ("errors", "wrong", "refused", "lost")},
    "rtfx": Measure(lambda run: run.rtfx, {"": 1.0}, "", "20"),
    "per_s": Measure(lambda run: run.per_s, {"": 1.0, "/s": 1.0}, "/s", "5"),
    "wer": Measure(_error_rate("word", "cer"), _SHARE, "%", "5% or 0.05"),
    "cer": Measure(_error_rate("character", "wer"), _SHARE, "%", "5% or 0.05"),
    "real_time": Measure(_real_time, _SHARE, "%", "99% or 0.99"),
    "memory_slope": Measure(_memory_slope, {"": 1.0, "MB/h": 1.0}, "MB/h", "10MB/h"),
    "valid": Measure(lambda run: float(run.tester.valid), {"": 1.0}, "", "1"),
}
