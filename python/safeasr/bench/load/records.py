"""What happened to each request, in columns: a million of them take some 60 MB."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.targets.base import Answer, Event, RefusedError

__all__ = ["NEVER", "Heard", "Outcome", "Records", "error_kind", "merged", "message_of"]

NEVER = float("nan")


class Outcome(IntEnum):
    """How a request ended."""

    ANSWERED = 0
    FAILED = 1
    REFUSED = 2
    LOST = 3


@dataclass
class Heard:
    """When a session heard what first and last."""

    partial: float = NEVER
    final: float = NEVER
    second: float = NEVER

    def note(self, event: Event) -> None:
        """Something came."""
        if not event.text:
            return
        if event.kind == "partial":
            if self.partial != self.partial:
                self.partial = event.at
            return
        if self.final != self.final:
            self.final = event.at
        if event.kind == "second":
            self.second = event.at


def error_kind(error: BaseException) -> str:
    """What an error is counted under: what it calls itself, or its type's name."""
    return str(getattr(error, "kind", "") or type(error).__name__)


def message_of(error: BaseException) -> str:
    """What it says, in one line, without the kind that some put before it."""
    said = getattr(error, "message", None)
    if said is None:
        said = str(error) or repr(error)
    return " ".join(str(said).split())[:500]


@dataclass
class Records:
    """One row a request; times by :func:`time.monotonic`, NaN where it never came to that.

    Attributes:
        clip: number of the clip.
        due: when it was planned to leave; of sessions, to begin speaking.
        sent: when it left.
        spoken: of sessions, the planned end of what was said; of calls as `due`.
        done: when the last answer was there.
        first_partial, first_final, second: of sessions, when the first partial text, the first
            final one and the last one of the second pass came.
        slipped: of sessions, by how much the latest chunk left later than planned because the
            target did not take it, in seconds.
        outcome: an Outcome.
        what: of answers, the number in `answers`; of errors and refusals, that in `errors`.
        chunk_latency: of all chunks of sessions that answer each, in seconds.
        answers: different ones, with the clip that they are of.
        errors: kind and first message.
        late: of each request or chunk that the tester sent by a plan, by how much it was late
            through its own fault, in seconds.
        held_back: requests that had to wait for others to end.
    """

    clip: array[int] = field(default_factory=lambda: array("i"))
    due: array[float] = field(default_factory=lambda: array("d"))
    sent: array[float] = field(default_factory=lambda: array("d"))
    spoken: array[float] = field(default_factory=lambda: array("d"))
    done: array[float] = field(default_factory=lambda: array("d"))
    first_partial: array[float] = field(default_factory=lambda: array("d"))
    first_final: array[float] = field(default_factory=lambda: array("d"))
    second: array[float] = field(default_factory=lambda: array("d"))
    slipped: array[float] = field(default_factory=lambda: array("d"))
    outcome: array[int] = field(default_factory=lambda: array("b"))
    what: array[int] = field(default_factory=lambda: array("i"))
    chunk_latency: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))
    answers: list[tuple[int, Answer]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    held_back: int = 0
    _known: dict[object, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clip)

    def answered(self, clip: int, answer: Answer) -> int:
        """Number of this answer to this clip."""
        key = (clip, answer.text, answer.times, answer.finals)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.answers)
            self.answers.append((clip, Answer(answer.text, answer.times, answer.finals)))
        return found

    def error(self, kind: str, message: str) -> int:
        """Number of this kind of error."""
        found = self._known.get(kind)
        if found is None:
            found = self._known[kind] = len(self.errors)
            self.errors.append((kind, message))
        return found

    def failed(self, error: BaseException) -> tuple[Outcome, int]:
        """What a request became that ended with an error, and the error's number."""
        refused = isinstance(error, RefusedError)
        outcome = Outcome.REFUSED if refused else Outcome.FAILED
        return outcome, self.error(error_kind(error), message_of(error))

    def nothing(self, clip: str, within_s: float) -> int:
        """Number of the error that a clip was not answered in time."""
        return self.error("no answer", f"{clip}: none within {within_s:g} s")

    def add(
        self,
        clip: int,
        due: float,
        sent: float,
        outcome: Outcome,
        what: int,
        *,
        done: float = NEVER,
        spoken: float | None = None,
        first_partial: float = NEVER,
        first_final: float = NEVER,
        second: float = NEVER,
        slipped: float = 0.0,
    ) -> None:
        """One request that ended."""
        self.clip.append(clip)
        self.due.append(due)
        self.sent.append(sent)
        self.spoken.append(due if spoken is None else spoken)
        self.done.append(done)
        self.first_partial.append(first_partial)
        self.first_final.append(first_final)
        self.second.append(second)
        self.slipped.append(slipped)
        self.outcome.append(outcome)
        self.what.append(what)

    def column(self, name: str) -> NDArray[np.float64]:
        """One of the columns (n,)."""
        return np.array(getattr(self, name), dtype=np.float64)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_known": {}}


_COLUMNS = (
    *("clip", "due", "sent", "spoken", "done", "first_partial", "first_final", "second"),
    *("slipped", "outcome", "what"),
)


def merged(parts: Iterable[Records]) -> Records:
    """The records of several generators as one."""
    out = Records()
    for part in parts:
        answers = [out.answered(clip, answer) for clip, answer in part.answers]
        errors = [out.error(kind, message) for kind, message in part.errors]
        for name in _COLUMNS[:-1]:
            getattr(out, name).extend(getattr(part, name))
        for outcome, what in zip(part.outcome, part.what, strict=True):
            out.what.append(answers[what] if outcome == Outcome.ANSWERED else errors[what])
        out.chunk_latency.extend(part.chunk_latency)
        out.late.extend(part.late)
        out.held_back += part.held_back
    return out
