"""A pipeline of streams whose chunks are done when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.stream.jobs import Steps


class Pending:
    """The part of ``safeasr.Future`` that a stream uses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[Any], object]] = []
        self._finished = False
        self._value: Any = None

    def done(self) -> bool:
        return self._finished

    def result(self, timeout: float | None = None) -> Any:
        assert self._finished
        if isinstance(self._value, BaseException):
            raise self._value
        return self._value

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        with self._lock:
            if not self._finished:
                self._callbacks.append(fn)
                return
        fn(self)

    def finish(self, value: Any) -> None:
        with self._lock:
            self._value, self._finished = value, True
        for fn in self._callbacks:
            fn(self)


class Slow:
    """Makes pipelines; finishes their chunks.

    Attributes:
        begun: the first sample of each chunk that was begun, in order.
        waiting: chunks that have begun and are not done.
        pipelines: how many were made.
    """

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.waiting: list[Pending] = []
        self.pipelines = 0

    def pipeline(self) -> Any:
        """A fresh pipeline."""
        self.pipelines += 1
        return _SlowPipeline(self)

    def finish(self, value: Any) -> None:
        """Finish the chunk that is under way, with a result or an error."""
        self.waiting.pop(0).finish(value)

    def finish_all(self) -> None:
        while self.waiting:
            self.finish(None)


class _SlowPipeline:
    sample_rate = 16000
    text = ""

    def __init__(self, slow: Slow) -> None:
        self._slow = slow

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        pending = Pending()
        self._slow.begun.append(int(samples[0]))
        self._slow.waiting.append(pending)
        result = yield pending  # type: ignore[misc]
        return result
