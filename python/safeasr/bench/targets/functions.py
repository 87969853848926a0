"""Functions that recognise speech, and objects with live sessions, to put under load."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.base import Answer, Event, OnEvent, RefusedError, TargetError
from safeasr.printable import printable

__all__ = ["Function", "LiveRecogniser", "as_answer"]


class LiveRecogniser(Protocol):
    """What begins with a live session. `close()` is optional; so is all but `feed` itself."""

    def feed(self, samples: NDArray[np.float32], last: bool) -> str:
        """Take the next samples (n,), 16 kHz; returns what is new since the last call, or "".

        Called from several threads, for one session never at the same time. May be async.
        """


def as_answer(said: Any, sent: float | None = None, done: float | None = None) -> Answer:
    """What a function returned: a str, a dict with "text", a list of such dicts, or anything.

    A list of several is several answers to one request: wrong, unless it is so alone, too.
    """
    if isinstance(said, str):
        return Answer(said, (), 1, sent, done)
    if isinstance(said, Answer):
        return said
    several = list(said) if isinstance(said, (list, tuple)) else [said]
    texts = [one.get("text", one) if isinstance(one, dict) else one for one in several]
    times: list[Any] = []
    for one in several:
        if isinstance(one, dict) and one.get("timestamp"):
            times += [tuple(pair) for pair in one["timestamp"]]
    text = " ".join("" if text is None else str(text) for text in texts)
    return Answer(text, tuple(times), len(several), sent, done)


class Function:
    """A function to call with recordings, a way to begin live sessions, or both.

    Exceptions called QueueFullError, or with a true attribute `refused`, are refusals.

    Args:
        recognise: called with samples (n,), float32, 16 kHz, and the clip's options by name.
        begin: called with the options; returns a :class:`LiveRecogniser`, or its `feed` alone.
        each_chunk: whether answers of sessions are only the same if each chunk's text is.
        awaited: waits for what an async function returned.
        name: for messages.
    """

    def __init__(
        self,
        recognise: Callable[..., Any] | None = None,
        begin: Callable[..., Any] | None = None,
        *,
        each_chunk: bool = False,
        awaited: Callable[[Awaitable[Any]], Any] | None = None,
        name: str = "the function",
    ) -> None:
        self._recognise, self._begin, self._name = recognise, begin, name
        self._each_chunk, self._awaited = each_chunk, awaited

    def call(self, clip: Clip) -> Answer:
        """Call it; `sent` and `done` of the answer are those of the call itself.

        Raises:
            RefusedError: see the class.
            Exception: whatever it raises.
        """
        if self._recognise is None:
            raise TargetError(f"{self._name} takes live sessions only")
        sent = time.monotonic()
        said = self.run(self._recognise, clip.samples, **clip.options)
        return as_answer(said, sent, time.monotonic())

    def begin(self, clip: Clip, on_event: OnEvent) -> _FunctionSession:
        """Begin a live session.

        Raises:
            TargetError: there are none.
            RefusedError: see the class.
        """
        if self._begin is None:
            raise TargetError(
                f"{self._name} takes recordings only: live sessions need a class with a method "
                "session() that returns an object with feed(samples, last) -> str"
            )
        return _FunctionSession(self, self.run(self._begin, **clip.options), on_event)

    def run(self, call: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        """Call something of the user's here, and wait for it if it is async."""
        try:
            said = call(*arguments, **options)
            if self._awaited is not None and inspect.isawaitable(said):
                said = self._awaited(said)
            return said
        except Exception as error:
            if is_refusal(error):
                raise RefusedError(type(error).__name__, printable(error)) from error
            raise


def is_refusal(error: Exception) -> bool:
    """Whether an error says that there is no room."""
    return type(error).__name__ == "QueueFullError" or getattr(error, "refused", False) is True


class _FunctionSession:
    """A live session; see :class:`safeasr.bench.targets.base.BlockingSession`."""

    def __init__(self, function: Function, speaker: Any, on_event: OnEvent) -> None:
        self._function, self._speaker, self._on_event = function, speaker, on_event
        self._feed = getattr(speaker, "feed", speaker)
        self._texts: list[str] = []
        self._done: float | None = None

    def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Feed it."""
        said = self._function.run(self._feed, samples, last)
        self._done = time.monotonic()
        text = "" if said is None else str(said)
        self._texts.append(text)
        self._on_event(Event("final" if last else "partial", text, self._done))

    def answer(self) -> Answer:
        """All texts as they came."""
        self.abandon()
        texts = tuple(self._texts) if self._function._each_chunk else ()
        return Answer("".join(self._texts).strip(), texts, done=self._done)

    def abandon(self) -> None:
        """Close it, if it can be closed."""
        end = getattr(self._speaker, "close", None)
        self._speaker = None
        if callable(end):
            try:
                self._function.run(end)
            except Exception:
                return
