"""What can be put under load: a target takes recordings, or sessions that speak in real time.

All of a target's methods belong to one event loop. One that blocks does so in threads of its own
and says when it really began and ended (:class:`Answer`), so that the loop's delays are no part of
the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip

__all__ = [
    "Answer",
    "Blocking",
    "BlockingSession",
    "Event",
    "OnEvent",
    "Options",
    "RefusedError",
    "Session",
    "Target",
    "TargetError",
]


@dataclass(frozen=True)
class Answer:
    """What a target said of one clip, or of all that one session heard.

    Attributes:
        text: the whole text; of a detector, its segments as text.
        times: all that goes with the text and must be the same each time: words' or segments' times
            in ms, speakers, as nested tuples; () if the target gives none.
        finals: how many answers arrived that each claimed to be the last; anything but 1 is wrong.
        sent: when the request really left, by :func:`time.monotonic`; None: when it was asked for.
        done: when the answer was really there; None: when it was returned.
    """

    text: str
    times: tuple[Any, ...] = ()
    finals: int = 1
    sent: float | None = None
    done: float | None = None

    def identity(self) -> str:
        """What is compared: text and times, readable."""
        return self.text if not self.times else f"{self.text} {list(self.times)}"


@dataclass(frozen=True)
class Event:
    """Something that a session heard from its target.

    Attributes:
        kind: "partial": may change; "final": a sentence that stays; "second": a sentence of the
            second pass, which replaces the partials before it.
        text: what it says; "" counts as nothing said.
        at: when it came, by :func:`time.monotonic`.
    """

    kind: Literal["partial", "final", "second"]
    text: str
    at: float


OnEvent = Callable[[Event], None]


class TargetError(Exception):
    """A target cannot be used as asked; the message says why and what helps."""


@dataclass
class RefusedError(Exception):
    """The target is full and says so (QueueFullError, 429, 503): no failure, but no answer either.

    Attributes:
        kind: what is counted, such as "QueueFullError" or "HTTP 503".
        message: the target's words.
        retry_after_s: when to come back, if it says so.
    """

    kind: str
    message: str = ""
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" if self.message else self.kind


class Session(Protocol):
    """One speaker, live."""

    async def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Hand over the next samples (n,), 16 kHz; returns when the target has taken them.

        Raises:
            RefusedError: the target is full.
            Exception: whatever else went wrong; the session is over then.
        """

    async def answer(self) -> Answer:
        """All that was said, once the target has said that it is all. After the last `send`."""

    async def abandon(self) -> None:
        """Let go of everything, at whatever point the session is. Never raises."""


class BlockingSession(Protocol):
    """One speaker, live, of a target that blocks; see :class:`Session`. Each chunk is answered."""

    def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Hand over the next samples (n,), 16 kHz; returns when they are answered."""

    def answer(self) -> Answer:
        """All that was said. After the last `send`."""

    def abandon(self) -> None:
        """Let go of everything. Never raises."""


class Blocking(Protocol):
    """Something that recognises speech while its caller waits; any number of threads may call."""

    def call(self, clip: Clip) -> Answer:
        """Recognise one clip; raises as :meth:`Target.transcribe` does."""

    def begin(self, clip: Clip, on_event: OnEvent) -> BlockingSession:
        """Begin a live session; see :meth:`Target.session`."""


class Target(Protocol):
    """Something that recognises speech.

    Targets in this process also have `blocking`, a :class:`Blocking` or None: those that have one
    are called from threads of the load's own, unless requests come at a rate.

    Attributes:
        name: as the user wrote it, such as ``inproc:funasr``.
        remote: whether it computes in processes that are not the tester's.
    """

    name: str
    remote: bool

    async def open(self) -> dict[str, Any]:
        """Load the model or look whether the server is there.

        Returns:
            what there is to say about it, for the report: versions, model, device, workers.

        Raises:
            TargetError: it cannot be used.
        """

    async def transcribe(self, clip: Clip) -> Answer:
        """Recognise one clip.

        Raises:
            RefusedError: the target is full.
            Exception: whatever else went wrong; it is counted by its type's name.
        """

    async def session(self, clip: Clip, on_event: OnEvent) -> Session:
        """Begin a live session; `clip` names it and has its options, not samples to send.

        Raises:
            RefusedError: the target is full.
        """

    async def stats(self) -> dict[str, float]:
        """Gauges and counters of the target itself (`/metrics`, `model.stats()`); {} if none."""

    async def close(self) -> None:
        """End it."""


@dataclass
class Options:
    """What all targets are made from.

    Attributes:
        model: of targets in process: a model name or directory; of servers, the name to ask for.
        model_options: of the constructor of targets in process.
        mode: of live sessions: "2pass", "online" or "offline".
        timeout_s: after which a request counts as failed.
        threads: how many calls a target in process can be asked for at once; at least as many as
            the loads of a campaign need.
        headers: of servers, such as Authorization.
        insecure: whether certificates go unchecked.
    """

    model: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    mode: str = "2pass"
    timeout_s: float = 60.0
    threads: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    insecure: bool = False
