"""The pipeline of a stream of one model: each chunk is one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.families.base import StreamingRecognizer
from safeasr.families.cached import submit_to_stream
from safeasr.families.terms import Terms
from safeasr.pipeline.steps import Steps

__all__ = ["ModelPipeline", "submit_chunk"]


def submit_chunk(
    stream: Any, samples: NDArray[np.float32], is_final: bool, deadline: float | None
) -> _ext.Ticket:
    """Queue samples for a stream of the extension; does not wait, for streams bypass the queue."""
    terms = Terms(deadline=deadline, direct=True)
    return submit_to_stream(stream, samples, is_final, terms)


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
        self._tokens: list[Any] = []
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
        # Of models that run guarded only the text is known.
        self._tokens = [*self._tokens, *result.get("tokens", [result.get("text", "")])]
        return self._recognizer.finish(result, self._key, self._options)
