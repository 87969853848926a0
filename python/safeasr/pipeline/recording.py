"""Long recordings: a voice activity detector finds the speech, the recogniser takes it in pieces.

What FunASR's ``AutoModel.inference_with_vad`` does when it has a ``vad_model``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future as ConcurrentFuture
from concurrent.futures import wait as wait_for
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr import _ext
from safeasr.calls.future import Future
from safeasr.deadlines import seconds_left
from safeasr.errors import AudioError, CancelledError, UnsupportedModelError
from safeasr.families.base import TASKS, Accepts, Recognizer, StreamingRecognizer
from safeasr.options.declared import FLAG, Option, Options, number
from safeasr.pipeline.single import submit_chunk
from safeasr.stream.jobs import Steps
from safeasr.stream.opening import StreamModels, is_streaming
from safeasr.stream.stream import Stream

__all__ = ["SegmentedRecognizer", "merge_segments", "segmented"]

#: Segments of one recording that are in the queue at a time: others want their turn, too.
_AHEAD = 32
#: Options of a detector that make no sense for a whole recording.
_OF_STREAMS = ("chunk_size", "cache", "is_final")
_MERGING = Options(
    Option("merge_vad", FLAG, False, help="Put neighbouring segments together."),
    Option("merge_length_s", number("a number of s", least=0), 15, help="Up to this length."),
)

Segments = list[list[int]]


def merge_segments(segments: Segments, longest_ms: int) -> Segments:
    """Put neighbouring segments together, with the silence between them.

    As in FunASR (``utils/vad_utils.py``), segments are cut at their own edges only, so one may
    become longer; the first one begins at 0.

    Args:
        segments: ``[start_ms, end_ms]``, in order.
        longest_ms: length up to which they are put together.
    """
    if len(segments) <= 1:
        return segments
    edges = sorted({edge for segment in segments for edge in segment})
    merged, begin = [], 0
    for edge, following in pairwise(edges):
        if following - begin < longest_ms:
            continue
        if edge > begin:
            merged.append([begin, edge])
        begin = edge
    return [*merged, [begin, edges[-1]]]


class _Ticket:
    """A future of the standard library, as the engine's tickets look."""

    def __init__(self, answer: ConcurrentFuture[Any]) -> None:
        self._answer = answer

    def finished(self) -> bool:
        """Whether it has a result, failed, or was cancelled."""
        return self._answer.done()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is finished; False when the time passed first."""
        return bool(wait_for([self._answer], timeout_s).done)

    def cancel(self) -> bool:
        """Take it back if it has not started."""
        return self._answer.cancel()

    @property
    def state(self) -> str:
        """As of the engine's tickets."""
        if self._answer.cancelled():
            return "cancelled"
        if self._answer.done():
            return "done" if self._answer.exception() is None else "failed"
        return "running" if self._answer.running() else "queued"

    def get(self) -> Any:
        """The result of a finished ticket; raises what it failed with."""
        try:
            return self._answer.result(0)
        except FutureCancelledError:
            raise CancelledError("the request was cancelled") from None

    def add_done_callback(self, callback: Callable[[], None]) -> None:
        """Call it once finished, on the callback thread."""
        self._answer.add_done_callback(lambda _: callback())


class _Recording:
    """The pipeline of one recording: segments, then the text of each."""

    text = ""

    def __init__(
        self,
        main: Recognizer,
        vad: StreamingRecognizer,
        engine: _ext.Engine,
        options: Mapping[str, Any],
        vad_options: Mapping[str, Any],
    ) -> None:
        self._main = main
        self._vad = vad
        self._engine = engine
        self._options = options
        self._vad_options = vad_options
        self.sample_rate = main.sample_rate

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        """All of the recording at once."""
        stream = self._vad.open(self._engine, {**self._vad_options, "is_streaming_input": False})
        found = yield submit_chunk(stream, samples, True, deadline)
        segments: Segments = found["segments"]
        if self._options.get("merge_vad"):
            longest = float(self._options.get("merge_length_s") or 15)
            segments = merge_segments(segments, int(longest * 1000))
        results: list[dict[str, Any]] = []
        for first in range(0, len(segments), _AHEAD):
            group = segments[first : first + _AHEAD]
            raw = yield self._submit(samples, group, deadline)
            for one, (start, _) in zip(raw, group, strict=True):
                # FunASR tells each piece's times from its own beginning first, then shifts them.
                result = self._main.finish(one, "", self._options) if one is not None else {}
                for times in result.get("timestamp", ()):
                    times[0] += start
                    times[1] += start
                results.append(result)
        return self._combined(results)

    def _submit(
        self, samples: NDArray[np.float32], segments: Segments, deadline: float | None
    ) -> Future:
        per_ms = self.sample_rate / 1000
        tickets: list[_ext.Ticket | None] = []
        for start, end in segments:
            piece = samples[int(start * per_ms) : int(end * per_ms)]
            if not len(piece):
                tickets.append(None)  # merged from 0 on, or behind the end
                continue
            left = seconds_left(deadline)
            tickets.append(
                self._main.submit(
                    self._engine,
                    np.ascontiguousarray(piece),
                    self._options,
                    from_file=True,
                    deadline_s=left,
                    wait_s=left,
                )
            )

        def collect() -> Any:
            return [None if ticket is None else ticket.get() for ticket in tickets]

        return Future([ticket for ticket in tickets if ticket is not None], collect)

    @staticmethod
    def _combined(results: list[dict[str, Any]]) -> dict[str, Any]:
        if not results:
            return {"text": "", "timestamp": []}
        texts = [result["text"] for result in results if result.get("text")]
        combined: dict[str, Any] = {"text": " ".join(texts)}
        for name in ("timestamp", "words"):
            if any(name in r for r in results):
                combined[name] = [one for r in results for one in r.get(name, ())]
        return combined


class SegmentedRecognizer:
    """A recogniser with a detector before it; itself a recogniser."""

    def __init__(
        self, main: Recognizer, vad: StreamingRecognizer, vad_options: Mapping[str, Any]
    ) -> None:
        """Join two loaded models.

        Args:
            main: gives the text.
            vad: gives the segments.
            vad_options: of the constructor (``vad_kwargs``).
        """
        self._main = main
        self._vad = vad
        self._vad_defaults = vad_options
        self.task, self.streams = main.task, False
        self.accepts: tuple[Accepts, ...] = ("samples",)
        self.sample_rate = main.sample_rate
        # The detector's options of a call are understood too, but not the size of its chunks:
        # the call is a recording.
        self.options = main.options | (vad.options - _OF_STREAMS) | _MERGING
        if vad.sample_rate != main.sample_rate:
            raise AudioError(
                f"the detector works at {vad.sample_rate} Hz and the model at {main.sample_rate} Hz"
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._main.check(options)
        self._vad.check(self._vad_own(options))

    def _vad_own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._vad_defaults, **(self._vad.options - _OF_STREAMS).own(options)}

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        *,
        from_file: bool,
        deadline_s: float | None,
        wait_s: float | None,
    ) -> Any:
        """Queue one recording."""
        if data.ndim != 1:
            raise AudioError(f"expected samples, got features of shape {data.shape}")
        stream = Stream(
            lambda: _Recording(self._main, self._vad, engine, options, self._vad_own(options)),
            fs=self.sample_rate,
        )
        return _Ticket(stream.submit(data, True, timeout=deadline_s))

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Text of all segments, with spaces between them, and their timestamps."""
        return {"key": key, **result}


def segmented(
    main: Recognizer, models: StreamModels, vad_options: Mapping[str, Any]
) -> SegmentedRecognizer:
    """The model with its detector before it.

    Raises:
        UnsupportedModelError: if the model takes recordings piece by piece itself.
    """
    vad = models.get("vad_model")
    if vad is None or is_streaming(main) or main.task != "asr":
        kind = "streaming " if is_streaming(main) else ""
        raise UnsupportedModelError(
            "vad_model= goes with an offline recogniser only, and this is a "
            f"{kind}model for {TASKS[main.task]} ({main.task})"
        )
    return SegmentedRecognizer(main, vad, vad_options)
