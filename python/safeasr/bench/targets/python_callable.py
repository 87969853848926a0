"""A user's own recogniser in this process: ``module:function`` or ``module:Class``."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.base import (
    Answer,
    Blocking,
    OnEvent,
    Options,
    RefusedError,
    Session,
    TargetError,
)
from safeasr.bench.targets.functions import Function, as_answer, is_refusal
from safeasr.bench.targets.threaded import ThreadedSession, in_thread
from safeasr.printable import printable

__all__ = ["PythonCallable"]


class PythonCallable:
    """A function, or a class that is made once with no arguments and called.

    It is called with the samples (n,), float32, 16 kHz, and the clip's options by name, from as
    many threads as there are callers; an async one on the tester's event loop, as many at a time as
    are asked for. Exceptions called QueueFullError, or with a true attribute `refused`, are
    refusals. A class with a method `session()` takes live sessions, see
    :class:`safeasr.bench.targets.functions.LiveRecogniser`.
    """

    remote = False

    def __init__(self, spec: str, options: Options) -> None:
        """Of ``module:name`` or ``module:name.name``, found from the working directory too."""
        self.name = spec
        self._pool = ThreadPoolExecutor(max(1, options.threads), "safeasr-bench-call")
        self._found: Any = None
        self._function = Function()
        self._async = False

    @property
    def blocking(self) -> Blocking | None:
        """What is called from threads; None: it is async."""
        return None if self._async else self._function

    async def open(self) -> dict[str, Any]:
        """Import it; a class is made.

        Raises:
            TargetError: there is none, or it cannot be made.
        """
        loop = asyncio.get_running_loop()

        async def wait_for(said: Awaitable[Any]) -> Any:
            return await said

        def awaited(said: Awaitable[Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(wait_for(said), loop).result()

        # A model may take long to load, and nothing else is to be late by that.
        self._found = await in_thread(self._pool, self._load)
        self._async = _is_async(self._found)
        recognise = self._found if callable(self._found) else None
        begin = getattr(self._found, "session", None)
        live = callable(begin)
        self._function = Function(
            recognise, begin if live else None, awaited=awaited, name=self.name
        )
        return {
            "protocol": "Python",
            "callable": f"{type(self._found).__name__} {self.name}",
            "async": self._async,
            "live": live,
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
        if not self._async:
            return await in_thread(self._pool, partial(self._function.call, clip))
        sent = time.monotonic()
        try:
            said = await self._found(clip.samples, **clip.options)
        except Exception as error:
            if is_refusal(error):
                raise RefusedError(type(error).__name__, printable(error)) from error
            raise
        return as_answer(said, sent, time.monotonic())

    async def session(self, clip: Clip, on_event: OnEvent) -> Session:
        """Begin a live session: `session(**options)` of the object.

        Raises:
            TargetError: it has no such method.
            RefusedError: see the class.
        """
        return await ThreadedSession.begin(self._pool, self._function, clip, on_event)

    async def stats(self) -> dict[str, float]:
        """What the object's `stats()` says, if it has one: the numbers of a dict."""
        ask = getattr(self._found, "stats", None)
        if not callable(ask):
            return {}
        try:
            said = await in_thread(self._pool, partial(self._function.run, ask))
        except Exception:
            return {}
        if not isinstance(said, dict):
            return {}
        return {str(k): float(v) for k, v in said.items() if isinstance(v, (int, float))}

    async def close(self) -> None:
        """Call the object's `close()`, if it has one; calls that run are not waited for."""
        end = getattr(self._found, "close", None)
        try:
            if callable(end):
                await in_thread(self._pool, partial(self._function.run, end))
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _is_async(call: Any) -> bool:
    method = inspect.getattr_static(type(call), "__call__", None)
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(method)
