"""A pipeline of streams whose chunks are done when the test says so."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.calls.promise import Promise
from safeasr.pipeline.steps import Steps


class Slow:
    """Makes pipelines; finishes their chunks.

    Attributes:
        begun: the first sample of each chunk that was begun, in order.
        waiting: chunks that have begun and are not done.
        pipelines: how many were made.
    """

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.waiting: list[Promise] = []
        self.pipelines = 0

    def pipeline(self) -> Any:
        """A fresh pipeline."""
        self.pipelines += 1
        return _SlowPipeline(self)

    def finish(self, value: Any) -> None:
        """Finish the chunk that is under way, or about to be, with a result or an error."""
        end = time.monotonic() + 30
        while not self.waiting:  # the one before has its answer, and the next begins right after
            assert time.monotonic() < end
            time.sleep(0.001)
        waiting = self.waiting.pop(0)
        if isinstance(value, BaseException):
            waiting.fail(value)
        else:
            waiting.resolve(value)

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
        pending = Promise()
        self._slow.begun.append(int(samples[0]))
        self._slow.waiting.append(pending)
        result = yield pending
        return result
