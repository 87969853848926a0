"""Conditions on a run, as written on the command line: ``p95<600ms,errors=0,identical``."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from safeasr.bench.findings.measures import MEASURES, Measure, UnknownError
from safeasr.bench.findings.results import Run

__all__ = ["Condition", "Goal"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
}
#: Words that stand for a condition, and the words that say the opposite.
_WORDS = {
    "identical": ("wrong", "=", 0.0),
    "valid": ("valid", "=", 1.0),
    "different": ("wrong", ">", 0.0),
    "invalid": ("valid", "=", 0.0),
}
_OPPOSITES = {"identical": "different", "valid": "invalid"}


@dataclass(frozen=True)
class Condition:
    """One condition, such as ``p95<600ms``.

    Attributes:
        text: as it was written.
        name: of the measure.
        sign: the operator.
        wanted: the number beside it; of shares and percent 0.01 = 1 %.
        share: whether a count is compared as its share of all requests.
    """

    text: str
    name: str
    sign: str
    wanted: float
    share: bool = False

    @property
    def _measure(self) -> Measure:
        return MEASURES[self.name]

    def value(self, run: Run) -> float:
        """The run's value.

        Raises:
            UnknownError: it has none.
        """
        value = self._measure.of(run)
        if self.text == "identical" and not run.counts.right + run.counts.wrong:
            raise UnknownError("nothing was answered")
        return value / run.counts.asked if self.share else value

    def is_true(self, run: Run) -> bool | None:
        """Whether it is true of the run; None if the run does not know."""
        try:
            return _OPERATORS[self.sign](self.value(run), self.wanted)
        except UnknownError:
            return None

    def applies(self, run: Run) -> bool:
        """Whether runs with this kind of load have the value at all."""
        try:
            self.value(run)
        except UnknownError as unknown:
            return unknown.applies
        return True

    def compare(self, run: Run, verb: str) -> str:
        """What the run has, and what the condition says: "p95 = 712 ms, wanted < 600 ms"."""
        if self.name == "valid":
            reason = run.tester.reason or "no reason given"
            return "the run is valid" if run.tester.valid else f"the run is invalid: {reason}"
        try:
            value = self._show(self.value(run))
        except UnknownError as why:
            return f"{self.name} is not known: {why}; {verb} {self._limit()}"
        return f"{self.name} = {value}, {verb} {self._limit()}"

    def _show(self, value: float) -> str:
        return f"{100 * value:.4g} %" if self.share else self._measure.show(value)

    def _limit(self) -> str:
        return f"{self.sign.replace('==', '=')} {self._show(self.wanted)}"


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, [*MEASURES, *_WORDS], 1, 0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _known() -> str:
    plain = [name for name in MEASURES if "." not in name and name != "valid"]
    return (
        f"{', '.join(plain)}, first_partial.p95, first_final.p95, second_pass.p95, chunk.p95 "
        f"(or another of p50 to max), and the words {', '.join(_WORDS)}"
    )


def _condition(part: str) -> Condition:
    match = re.fullmatch(r"([^<>=!]*?)\s*(?:([<>=!]+)\s*(.*))?", part)
    if match is None:
        raise ValueError(f"{part!r}: write it as name<number, such as p95<600ms")
    name, sign, number = match[1].lower(), match[2], match[3]
    if sign is None:
        if name in _WORDS:
            return Condition(name, *_WORDS[name])
        if name in MEASURES:
            example = f"{name}<{MEASURES[name].example.split(' ')[0]}"
            raise ValueError(f"{part!r} says nothing of its value; write {example}, for example")
        raise ValueError(f"{part!r} is not known{_nearest(name)} Known are {_known()}")
    if name not in MEASURES:
        raise ValueError(f"{part!r}: {name!r} is not known{_nearest(name)} Known are {_known()}")
    if sign not in _OPERATORS:
        raise ValueError(f"{part!r}: {sign!r} is none of {' '.join(_OPERATORS)}")
    measure = MEASURES[name]
    try:
        wanted, unit = measure.read(number.strip())
    except ValueError as error:
        raise ValueError(f"{part!r}: {error}") from None
    return Condition(part, name, sign, wanted, measure.counted and unit == "%")


@dataclass(frozen=True)
class Goal:
    """Conditions on a run, in one of two readings.

    As a goal, a run has to reach all of them (`holds`, `explain`); as alarms, none of them may be
    true (`fails`, `explain_failure`).

    What a run does not know, such as p99 of a hundred samples, reaches no goal; and as an alarm it
    fails too, for a check that could not be made must not pass in silence. Only values that loads
    of the run's kind never have (sessions' values without sessions) raise no alarm.

    Attributes:
        text: as it was written.
        conditions: its parts.
        alarms: how it was meant, for :meth:`passes` and :meth:`why`.
    """

    text: str
    conditions: tuple[Condition, ...]
    alarms: bool = False

    @classmethod
    def parse(cls, text: str, *, alarms: bool = False) -> Goal:
        """Read conditions that are separated by commas.

        Args:
            text: such as ``p95<600ms,errors=0,identical``.
            alarms: whether they are meant as alarms; ``identical`` and ``valid`` are refused then,
                for nobody wants a run to fail because of them.

        Raises:
            ValueError: one is not understood; the message names it and what is allowed.
        """
        parts = [part.strip() for part in text.split(",")]
        if not any(parts):
            raise ValueError("no condition given; write p95<600ms,errors=0, for example")
        if not all(parts):
            raise ValueError(f"{text!r} has a comma too many")
        conditions = tuple(_condition(part) for part in parts)
        for one in conditions:
            if alarms and one.text in _OPPOSITES:
                opposite = _OPPOSITES[one.text]
                raise ValueError(f"{one.text!r} would fail what is good; write {opposite}")
        return cls(text, conditions, alarms)

    def parts(self) -> list[Goal]:
        """One for each condition."""
        return [Goal(one.text, (one,), self.alarms) for one in self.conditions]

    def passes(self, run: Run) -> bool:
        """In the reading that was meant: whether the run is as it should be."""
        return not self.fails(run) if self.alarms else self.holds(run)

    def why(self, run: Run) -> str:
        """The explanation of :meth:`passes`."""
        return self.explain_failure(run) if self.alarms else self.explain(run)

    def holds(self, run: Run) -> bool:
        """Whether every condition is true of the run."""
        return all(one.is_true(run) for one in self.conditions)

    def explain(self, run: Run) -> str:
        """The conditions that are missed, or all if none is, with the run's values."""
        missed = [one for one in self.conditions if not one.is_true(run)]
        return "; ".join(one.compare(run, "wanted") for one in missed or self.conditions)

    def fails(self, run: Run) -> bool:
        """Read as alarms: whether any is true of the run, or cannot be told."""
        return any(self._raised(run))

    def explain_failure(self, run: Run) -> str:
        """Read as alarms: those that are raised; "" if none is."""
        return "; ".join(one.compare(run, "fails if") for one in self._raised(run))

    def _raised(self, run: Run) -> list[Condition]:
        true = [(one, one.is_true(run)) for one in self.conditions]
        return [one for one, is_true in true if is_true or (is_true is None and one.applies(run))]
