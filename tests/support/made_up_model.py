"""A model for servers under test: texts of the bytes alone, and every fault on demand."""

from __future__ import annotations

import asyncio
import threading
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from safeasr.calls.promise import Promise
from safeasr.errors import EngineClosedError
from safeasr.pipeline.steps import Steps
from safeasr.stream.stream import Stream
from support.bench_servers import recognised

__all__ = ["MadeUpModel"]


class _Part:
    task = "asr"
    options = ("hotword", "language", "use_itn")


class MadeUpModel:
    """Answers as ``AutoModel`` does, at once, without a network.

    A recording's text is of its bytes; a stream adds the number of its samples to the text with
    every chunk.

    Attributes:
        arguments: what it was made with.
        asked: options of each call and stream.
        fault: raised by whatever is asked for, if it is not None.
        waiting: what `stats()` says of its queue.
        words: long ones, that streamed transcriptions have beside those of the text.
        calls: recordings that are being worked on.
        open_streams: live streams that nobody has closed.
    """

    punc_model = None
    spk_model = None

    def __init__(self, **arguments: Any) -> None:
        self.model = _Part()
        self.vad_model = _Part()
        self.arguments = arguments
        self.asked: list[dict[str, Any]] = []
        self.fault: BaseException | None = None
        self.waiting = 0
        self.words = 0
        self.calls = 0
        self.open_streams = 0
        self.closed = False
        self._free = threading.Event()
        self._free.set()
        self._held: list[Promise] = []

    def hold(self) -> None:
        """From now on nothing is answered."""
        self._free.clear()

    def release(self) -> None:
        """Answer all that was held, and what comes."""
        self._free.set()
        held, self._held = self._held, []
        for promise in held:
            promise.resolve(None)

    async def agenerate(self, source: IO[bytes], **options: Any) -> list[dict[str, Any]]:
        """What a recording says."""
        self.asked.append(options)
        self.calls += 1
        try:
            while not self._free.is_set():
                await asyncio.sleep(0.005)
            if self.fault is not None:
                raise self.fault
            return [{"key": options.get("key"), "text": recognised(source.read())}]
        finally:
            self.calls -= 1

    async def generate_iter(self, source: IO[bytes], **options: Any) -> Any:
        """The same, a word at a time."""
        (result,) = await self.agenerate(source, **options)
        words = result["text"].split() + ["more" * 250] * self.words
        for number, word in enumerate(words):
            yield {"text": word, "start": 1000 * number, "end": 1000 * number + 900}

    #: The demo's own are tested with the demo.
    stream_modes = ("2pass", "online")

    def stream(self, *, mode: str | None = None, fs: int = 16000, **options: Any) -> Stream:
        """A live stream."""
        if self.closed:
            raise EngineClosedError("the model is closed")
        self.asked.append({"mode": mode, "fs": fs, **options})
        self.open_streams += 1
        return _Stream(self, fs)

    def stats(self) -> dict[str, Any]:
        return {"waiting": self.waiting}

    def close(self, *, drain: bool = True) -> None:
        self.closed = True


class _Stream(Stream):
    def __init__(self, model: MadeUpModel, fs: int) -> None:
        self._model = model
        super().__init__(lambda: _Pipeline(model), fs=fs)

    def close(self) -> None:
        if not self.closed:
            self._model.open_streams -= 1
        super().close()


class _Pipeline:
    sample_rate = 16000

    def __init__(self, model: MadeUpModel) -> None:
        self._model = model
        self._heard = 0
        self.text = ""

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        if not self._model._free.is_set():
            promise = Promise()
            self._model._held.append(promise)
            yield promise
        if self._model.fault is not None:
            raise self._model.fault
        start, self._heard = self._heard, self._heard + len(samples)
        events: list[dict[str, Any]] = []
        if len(samples):
            self.text = f"{self.text} {len(samples)}".strip()
            piece = {"mode": "2pass-online", "text": str(len(samples)), "segment_text": self.text}
            events.append({**piece, "start": 0, "is_final": False})
        if is_final and self.text:
            whole = {"mode": "2pass-offline", "text": self.text, "start": 0, "is_final": True}
            events.append({**whole, "end": (start + len(samples)) // 16})
        if is_final:
            self._heard, self.text = 0, ""
        return events
