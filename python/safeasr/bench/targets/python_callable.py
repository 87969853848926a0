"""A user's own recogniser in this process: ``module:function`` or ``module:Class``."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.base import (
    Answer,
    Event,
    OnEvent,
    Options,
    RefusedError,
    Session,
    TargetError,
)
from safeasr.printable import printable

__all__ = ["LiveRecogniser", "PythonCallable", "as_answer"]


class LiveRecogniser(Protocol):
    """What the method `session()` of a class returns, for live sessions. `close()` is optional."""

    def feed(self, samples: NDArray[np.float32], last: bool) -> str:
        """Take the next samples (n,), 16 kHz; returns what is new since the last call, or "".

        Called from several threads, for one session never at the same time. May be async.
        """


def as_answer(said: Any, sent: float | None = None, done: float | None = None) -> Answer:
    """What a function returned: a str, a dict with "text", a list of such dicts, or anything.

    A list of several is several answers to one request: wrong, unless it is so alone, too.
    """
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


class PythonCallable:
    """A function, or a class that is made once with no arguments and called.

    It is called with the samples (n,), float32, 16 kHz, and the clip's options by name, from
    `Options.threads` threads; an async one on the tester's event loop, as many at a time as are
    asked for. Exceptions called QueueFullError, or with a true attribute `refused`, are refusals.
    A class with a method `session()` takes live sessions, see :class:`LiveRecogniser`.
    """

    remote = False

    def __init__(self, spec: str, options: Options) -> None:
        """Of ``module:name`` or ``module:name.name``, found from the working directory too."""
        self.name = spec
        self._options = options
        self._call: Any = None
        self._pool: ThreadPoolExecutor | None = None

    async def open(self) -> dict[str, Any]:
        """Import it; a class is made.

        Raises:
            TargetError: there is none, or it cannot be made.
        """
        # A model may take long to load, and nothing else is to be late by that.
        self._pool = ThreadPoolExecutor(max(1, self._options.threads), "safeasr-bench-call")
        loop = asyncio.get_running_loop()
        self._call = await loop.run_in_executor(self._pool, self._load)
        return {
            "protocol": "Python",
            "callable": f"{type(self._call).__name__} {self.name}",
            "async": _is_async(self._call),
            "threads": self._options.threads,
            "live": callable(getattr(self._call, "session", None)),
        }

    def _load(self) -> Any:
        module, _, path = self.name.partition(":")
        if (here := os.getcwd()) not in sys.path and "" not in sys.path:
            sys.path.insert(0, here)
        try:
            found: Any = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
            if inspect.isclass(found):
                found = found()
        except Exception as error:
            raise TargetError(f"{self.name}: {type(error).__name__}: {printable(error)}") from error
        if not callable(found) and not callable(getattr(found, "session", None)):
            raise TargetError(f"{self.name} is no function, and has no method session()")
        return found

    async def transcribe(self, clip: Clip) -> Answer:
        """Call it; `sent` and `done` of the answer are those of the call itself.

        Raises:
            RefusedError: see the class.
            Exception: whatever it raises.
        """
        if not callable(self._call):
            raise TargetError(f"{self.name} takes live sessions only")
        said, sent, done = await self._run(self._call, clip.samples, **clip.options)
        return as_answer(said, sent, done)

    async def _run(
        self, call: Callable[..., Any], /, *arguments: Any, **options: Any
    ) -> tuple[Any, float, float]:
        """A call, in a thread unless it is async: what it returned, and from when to when."""

        def timed() -> tuple[Any, float, float]:
            began = time.monotonic()
            said = call(*arguments, **options)
            return said, began, time.monotonic()

        try:
            if _is_async(call):
                began = time.monotonic()
                return await call(*arguments, **options), began, time.monotonic()
            said, began, done = await asyncio.get_running_loop().run_in_executor(self._pool, timed)
            if inspect.isawaitable(said):
                return await said, began, time.monotonic()
            return said, began, done
        except Exception as error:
            if type(error).__name__ == "QueueFullError" or getattr(error, "refused", False) is True:
                raise RefusedError(type(error).__name__, printable(error)) from error
            raise

    async def session(self, clip: Clip, on_event: OnEvent) -> Session:
        """Begin a live session: `session(**options)` of the object.

        Raises:
            TargetError: it has no such method.
            RefusedError: see the class.
        """
        begin = getattr(self._call, "session", None)
        if not callable(begin):
            raise TargetError(
                f"{self.name} takes recordings only: live sessions need a class with a method "
                "session() that returns an object with feed(samples, last) -> str"
            )
        speaker, _, _ = await self._run(begin, **clip.options)
        return _CallableSession(self._run, speaker, on_event)

    async def stats(self) -> dict[str, float]:
        """What the object's `stats()` says, if it has one: the numbers of a dict."""
        ask = getattr(self._call, "stats", None)
        if not callable(ask):
            return {}
        try:
            said, _, _ = await self._run(ask)
        except Exception:
            return {}
        if not isinstance(said, dict):
            return {}
        return {str(k): float(v) for k, v in said.items() if isinstance(v, (int, float))}

    async def close(self) -> None:
        """Call the object's `close()`, if it has one; calls that run are not waited for."""
        end = getattr(self._call, "close", None)
        try:
            if callable(end) and self._pool is not None:
                await self._run(end)
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)


class _CallableSession:
    """A live session of a user's object."""

    answers_each_chunk = True

    def __init__(
        self,
        run: Callable[..., Any],
        speaker: Any,
        on_event: OnEvent,
    ) -> None:
        self._run = run
        self._speaker = speaker
        self._on_event = on_event
        self._text = ""
        self._done: float | None = None

    async def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """See :class:`Session`."""
        said, _, done = await self._run(self._speaker.feed, samples, last)
        text = "" if said is None else str(said)
        self._text += text
        self._done = done
        self._on_event(Event("final" if last else "partial", text, done))

    async def answer(self) -> Answer:
        """See :class:`Session`."""
        await self.abandon()
        return Answer(self._text.strip(), done=self._done)

    async def abandon(self) -> None:
        """See :class:`Session`."""
        end = getattr(self._speaker, "close", None)
        self._speaker = None
        if callable(end):
            try:
                await self._run(end)
            except Exception:
                return


def _is_async(call: Any) -> bool:
    method = inspect.getattr_static(type(call), "__call__", None)
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(method)
