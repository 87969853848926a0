"""Long recordings: a voice activity detector finds the speech, the recogniser takes it in pieces.

What FunASR's ``AutoModel.inference_with_vad`` does when it has a ``vad_model``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.deadlines import require_time
from safeasr.errors import AudioError, EngineClosedError, InferenceError
from safeasr.families.base import Accepts, Recognizer, StreamingRecognizer
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options, number
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.diarization import Diarization
from safeasr.pipeline.failures import failure
from safeasr.pipeline.punctuation import Punctuation
from safeasr.pipeline.runs import BoundedRun, Runs
from safeasr.pipeline.segments import Segments, merge_segments
from safeasr.pipeline.steps import SideRun, Steps
from safeasr.text.sentences import sentences_of_pieces

__all__ = ["SegmentedRecognizer", "segmented"]

#: Segments of one recording that are in the engine at a time: others want their turn, too.
_AHEAD = 32
#: Options of a detector that make no sense for a whole recording.
_OF_STREAMS = ("chunk_size", "cache", "is_final")
#: Times of words, which speakers are told by.
_TIMES = "output_timestamp"
_SENTENCES_WANTED = "sentence_timestamp"
_LONGEST = number("a number of s", least=0, most=1e9)
_MERGING = Options(
    Option("merge_vad", FLAG, False, help="Put neighbouring segments together."),
    Option("merge_length_s", _LONGEST, 15, help="Up to this length."),
)
_SENTENCES = Options(
    Option(_SENTENCES_WANTED, FLAG, False, help="Sentences with their times, too."),
    Option("en_post_proc", FLAG, False, help="English marks in them."),
)


class SegmentedRecognizer:
    """A recogniser with a detector before it; itself a recogniser."""

    def __init__(
        self,
        main: Recognizer,
        vad: StreamingRecognizer,
        vad_options: Mapping[str, Any],
        runs: Runs,
        punctuation: Punctuation | None = None,
        diarization: Diarization | None = None,
    ) -> None:
        """Join loaded models.

        Args:
            main: gives the text.
            vad: gives the segments.
            vad_options: of the constructor (``vad_kwargs``).
            runs: where recordings that are under way are noted.
            punctuation: puts the marks, if anything does.
            diarization: tells speakers apart, if anything does.

        Raises:
            AudioError: if the models take samples of different rates.
        """
        self._main = main
        self._vad = vad
        self._vad_defaults = vad_options
        self._runs = runs
        self._punctuation = punctuation
        self._diarization = diarization
        self.task, self.streams = main.task, False
        self.accepts: tuple[Accepts, ...] = ("samples",)
        self.sample_rate = main.sample_rate
        # The detector's options of a call are understood too, but not the size of its chunks:
        # the call is a recording.
        self.options = main.options | (vad.options - _OF_STREAMS) | _MERGING | _SENTENCES
        if punctuation is not None:
            self.options |= punctuation.options
        if diarization is not None:
            self.options |= diarization.options
            diarization.require_rate(main.sample_rate)
        if vad.sample_rate != main.sample_rate:
            raise AudioError(
                f"the detector works at {vad.sample_rate} Hz and the model at {main.sample_rate} Hz"
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._main.check(options)
        self._vad.check(self._vad_own(options))
        if self._punctuation is not None:
            self._punctuation.check(options)

    def _vad_own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._vad_defaults, **(self._vad.options - _OF_STREAMS).own(options)}

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one recording."""
        return BoundedRun(self._steps(engine, data, options, terms), self._runs).begun(
            terms.patience
        )

    def _steps(
        self,
        engine: _ext.Engine,
        samples: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """All of the recording: segments, then the text of each, marks and speakers."""
        voices: SideRun | None = None
        listened = self._diarization if Diarization.wanted(options) else None
        if self._diarization is not None and _TIMES in self._main.options:
            options = {_TIMES: True, **options}
        segments, pieces = yield from self._segments(engine, samples, options, terms)
        try:
            if listened is not None and pieces:
                voices = listened.listen(engine, segments, pieces, terms)
            results, failed = yield from self._recognised(engine, segments, pieces, options, terms)
            combined = self._combined(results, failed)
            if listened is not None:
                by_segments = self._punctuation is None or listened.by_segments(options, combined)
                options = {**options, _SENTENCES_WANTED: not by_segments}
            if self._punctuation is not None and combined["text"]:
                combined = yield from self._punctuation.of_recording(
                    engine, combined, results, segments, options, terms
                )
            elif options.get(_SENTENCES_WANTED):
                combined["sentence_info"] = sentences_of_pieces(results, segments)
            if listened is not None and voices is not None and combined["text"]:
                heard = yield voices
                combined = yield from listened.of_recording(
                    heard, combined, results, segments, options, _still_wanted(engine, terms)
                )
            elif listened is not None:
                combined["sentence_info"] = []
            return combined
        finally:
            if voices is not None:
                voices.cancel()

    def _segments(
        self,
        engine: _ext.Engine,
        samples: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """The segments, and the samples of each."""
        whole = replace(terms, from_file=True)
        ticket = self._vad.submit(engine, samples, self._vad_own(options), whole)
        try:
            segments: Segments = (yield ticket)["segments"]
        finally:
            ticket.cancel()
        if options.get("merge_vad"):
            longest = float(options.get("merge_length_s") or 15)
            segments = merge_segments(segments, int(longest * 1000))
        return self._pieces(samples, segments)

    def _recognised(
        self,
        engine: _ext.Engine,
        segments: Segments,
        pieces: Sequence[NDArray[np.float32]],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Steps:
        """The result of each segment, and those that failed.

        A network that fails on one segment costs that segment, unless it fails on all of them.
        """
        waiting = deque(zip(segments, pieces, strict=True))
        under_way: deque[tuple[list[int], _ext.Ticket]] = deque()
        results: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        try:
            while waiting or under_way:
                while waiting and len(under_way) < _AHEAD:
                    segment, piece = waiting.popleft()
                    ticket = self._main.submit(engine, piece, options, terms.later_stage())
                    under_way.append((segment, ticket))
                (start, end), ticket = under_way[0]
                try:
                    raw = yield ticket
                except InferenceError as error:
                    failed.append(failure(start, end, error))
                    results.append({"text": ""})
                else:
                    results.append(self._finish_piece(raw, start, options))
                under_way.popleft()
        finally:
            for _, ticket in under_way:
                ticket.cancel()
        if failed and len(failed) == len(results):
            raise failed[0]["error"]
        return results, failed

    def _pieces(
        self, samples: NDArray[np.float32], segments: Segments
    ) -> tuple[Segments, list[NDArray[np.float32]]]:
        """The segments that are not empty, and the samples of each."""
        per_ms = self.sample_rate / 1000
        cut = [samples[int(start * per_ms) : int(end * per_ms)] for start, end in segments]
        # Empty: merged from 0 on, or behind the end.
        kept = [i for i, piece in enumerate(cut) if len(piece)]
        return [segments[i] for i in kept], [cut[i] for i in kept]

    def _finish_piece(
        self, raw: Mapping[str, Any], start_ms: int, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        # FunASR tells each piece's times from its own beginning first, then shifts them.
        result = self._main.finish(raw, "", options)
        for times in result.get("timestamp", ()):
            times[0] += start_ms
            times[1] += start_ms
        return result

    @staticmethod
    def _combined(
        results: Sequence[Mapping[str, Any]], failed: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        if not results:
            return {"text": "", "timestamp": []}
        texts = [result["text"] for result in results if result.get("text")]
        combined: dict[str, Any] = {"text": " ".join(texts)}
        for name in ("timestamp", "words"):
            if any(name in r for r in results):
                combined[name] = [one for r in results for one in r.get(name, ())]
        if failed:
            combined["errors"] = list(failed)
        return combined

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Text of all segments, with spaces between them, and their timestamps."""
        return {"key": key, **result}


def _still_wanted(engine: _ext.Engine, terms: Terms) -> Callable[[], None]:
    """Raises once the time is over, or the model closed without waiting for anyone."""

    def check() -> None:
        if engine.closed:
            raise EngineClosedError("the model is closed")
        require_time(terms.deadline)

    return check


def segmented(
    main: Recognizer,
    companions: Companions,
    vad_options: Mapping[str, Any],
    runs: Runs,
    punctuation: Punctuation | None = None,
    diarization: Diarization | None = None,
) -> SegmentedRecognizer:
    """The model with its detector before it, and what there is behind it.

    Raises:
        UnsupportedModelError: if the model takes recordings piece by piece itself.
    """
    companions.require_offline_recogniser("vad_model")
    vad = companions.get("vad_model")
    assert vad is not None  # it is named
    return SegmentedRecognizer(main, vad, vad_options, runs, punctuation, diarization)
