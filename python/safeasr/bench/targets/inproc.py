"""Models in the tester's own process: safeasr, and FunASR in the ways people run it.

``safeasr``, ``funasr``       one model, called from as many threads as there are callers
``funasr-lock``               the same with a lock around every call
``funasr-procs:N``            N processes with a model each, which take calls in turn
``funasr-onnx``               the package funasr-onnx: ONNX programs, one session

Both libraries are called in the same way and with the same options, from threads. A live session is
what FunASR's README shows: ``generate(chunk, cache=cache, is_final=...)``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.base import (
    Answer,
    Blocking,
    Event,
    OnEvent,
    Options,
    RefusedError,
    Session,
    TargetError,
)
from safeasr.bench.targets.libraries import Model, load
from safeasr.bench.targets.threaded import ThreadedSession, in_thread

__all__ = ["InProcess", "answer_of", "joined", "make"]

_WATCHED = (
    *("waiting", "busy_workers", "completed", "failed", "cancelled", "rejected", "batches"),
    *("batched_requests",),
)


def answer_of(results: Any) -> Answer:
    """What `generate` returned for one input: text and all times, or a detector's segments."""
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        return Answer(str(results))
    texts, times = [], []
    for one in results:
        value = one.get("value")
        if value is not None and "text" not in one:
            texts.append(json.dumps(np.asarray(value).tolist()) if len(value) else "")
        texts.append(str(one.get("text", "")))
        for name in ("timestamp", "timestamps", "sentence_info", "raw_text"):
            if one.get(name):
                times.append(json.dumps(one[name], ensure_ascii=False, default=str))
    return Answer(" ".join(filter(None, texts)), tuple(times), finals=len(results))


def joined(pieces: Sequence[str]) -> str:
    """Texts of chunks as one: words of Latin letters apart, Chinese characters side by side."""
    text = ""
    for piece in filter(None, (one.strip() for one in pieces)):
        apart = text and text[-1].isascii() and piece[0].isascii() and piece[0].isalnum()
        text += (" " if apart else "") + piece
    return text


class InProcess:
    """One model and the threads that call it."""

    remote = False

    def __init__(
        self, name: str, options: Options, make_model: Callable[[], Model], *, locked: bool = False
    ) -> None:
        self.name = name
        self._options = options
        self._make_model = make_model
        self._pool = ThreadPoolExecutor(options.threads, "caller")
        self._lock: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if locked else contextlib.nullcontext()
        )
        self._model: Model = None

    async def open(self) -> dict[str, Any]:
        """Make the model."""
        began = time.monotonic()
        try:
            self._model = await in_thread(self._pool, self._make_model)
        except TargetError:
            raise
        except Exception as error:
            raise TargetError(f"{self.name}: {error}") from error
        about = {"model": str(self._options.model), "load_s": round(time.monotonic() - began, 2)}
        if self._options.model_options:
            about["options"] = dict(self._options.model_options)
        package = type(self._model).__module__.split(".")[0]
        with contextlib.suppress(ImportError):
            about[package] = getattr(importlib.import_module(package), "__version__", "?")
        return about

    @property
    def blocking(self) -> Blocking:
        """The model is called from threads, as people call it."""
        return self

    async def transcribe(self, clip: Clip) -> Answer:
        """Call the model in a thread of its own."""
        return await in_thread(self._pool, partial(self.call, clip))

    async def session(self, clip: Clip, on_event: OnEvent) -> Session:
        """A stream with a cache of its own."""
        return await ThreadedSession.begin(self._pool, self, clip, on_event)

    async def stats(self) -> dict[str, float]:
        """What of `model.stats()` changes under load."""
        stats = getattr(self._model, "stats", None)
        found = stats() if callable(stats) else {}
        return {name: float(found[name]) for name in _WATCHED if name in found}

    async def close(self) -> None:
        """Close the model, if it can be, and let the threads go."""
        close = getattr(self._model, "close", None)
        if callable(close):
            await in_thread(self._pool, close)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def generate(self, samples: NDArray[np.float32], **options: Any) -> Any:
        """Call the model here, as everyone calls it.

        Raises:
            RefusedError: its queue is full.
        """
        try:
            with self._lock:
                return self._model.generate(input=samples, **options)
        except Exception as error:
            if type(error).__name__ == "QueueFullError":
                raise RefusedError("QueueFullError", str(error)) from error
            raise

    def call(self, clip: Clip) -> Answer:
        """Recognise one clip; `sent` and `done` are those of the model's own call."""
        sent = time.monotonic()
        results = self.generate(clip.samples, **clip.options)
        done = time.monotonic()
        answer = answer_of(results)
        return Answer(answer.text, answer.times, answer.finals, sent, done)

    def begin(self, clip: Clip, on_event: OnEvent) -> CachedSession:
        """A stream with a cache of its own."""
        return CachedSession(self, clip.options, on_event)


class CachedSession:
    """A stream by ``generate(cache=...)``: every chunk is answered."""

    def __init__(self, target: InProcess, options: dict[str, Any], on_event: OnEvent) -> None:
        self._target = target
        self._options = {"cache": {}, **options}
        self._on_event = on_event
        self._parts: list[str] = []
        self._segments: list[Any] = []

    def send(self, samples: NDArray[np.float32], last: bool) -> None:
        """Call the model with the next chunk; returns with its answer."""
        results = self._target.generate(samples, is_final=last, **self._options)
        for one in results:
            if "value" in one:
                self._segments.extend(np.asarray(one["value"]).tolist())
            text = str(one.get("text", "") or ("speech" if one.get("value") else ""))
            self._parts.append(str(one.get("text", "")))
            self._on_event(Event("final" if last else "partial", text, time.monotonic()))

    def answer(self) -> Answer:
        """All texts, joined as they came; of a detector, its segments."""
        return Answer(json.dumps(self._segments) if self._segments else joined(self._parts))

    def abandon(self) -> None:
        """Nothing is held but the cache."""


def make(kind: str, options: Options) -> Any:
    """The target ``inproc:<kind>``.

    Raises:
        ValueError: there is no such kind.
    """
    name = f"inproc:{kind}"
    if kind == "safeasr":
        return InProcess(name, options, partial(load, "safeasr", options))
    if kind in ("funasr", "funasr-lock"):
        make_model = partial(load, "funasr", options)
        return InProcess(name, options, make_model, locked=kind == "funasr-lock")
    if kind == "funasr-onnx":
        from safeasr.bench.targets.funasr_onnx import load_onnx

        return InProcess(name, options, partial(load_onnx, options))
    library, _, count = kind.partition("-procs:")
    if library in ("funasr", "safeasr") and count.isdigit() and int(count) > 0:
        from safeasr.bench.targets.processes import ProcessModel

        return InProcess(name, options, partial(ProcessModel, library, options, int(count)))
    raise ValueError(
        f"inproc:{kind}: expected safeasr, funasr, funasr-lock, funasr-procs:N or funasr-onnx"
    )
