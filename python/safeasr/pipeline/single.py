"""A stream of one model: recognition, or voice activity detection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr import _ext
from safeasr.calls.future import Future
from safeasr.deadlines import seconds_left
from safeasr.families.base import StreamingRecognizer
from safeasr.stream.jobs import Steps

__all__ = ["ModelPipeline", "submit_chunk"]


def submit_chunk(
    stream: Any, samples: NDArray[np.float32], is_final: bool, deadline: float | None
) -> Future:
    """Queue samples for a stream of the extension; a future of its raw result."""
    left = seconds_left(deadline)
    ticket = stream.submit(samples, is_final=is_final, deadline_s=left, wait_s=left)
    return Future([ticket], ticket.get)


class ModelPipeline:
    """Chunks to FunASR's result dicts."""

    def __init__(
        self,
        recognizer: StreamingRecognizer,
        engine: _ext.Engine,
        options: Mapping[str, Any],
        key: str,
    ) -> None:
        self._recognizer = recognizer
        self._options = options
        self._key = key
        self._stream = recognizer.open(engine, options)
        self._tokens: list[int] = []
        self._ended = False
        self.sample_rate = recognizer.sample_rate

    @property
    def text(self) -> str:
        """The text of all chunks of the utterance so far."""
        return self._recognizer.text_of(self._tokens)

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        """One chunk."""
        result = yield submit_chunk(self._stream, samples, is_final, deadline)
        if self._ended:
            self._tokens = []
        self._ended = is_final
        self._tokens = [*self._tokens, *result.get("tokens", ())]
        return self._recognizer.finish(result, self._key, self._options)
