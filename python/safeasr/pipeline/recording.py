"""Long recordings: a voice activity detector finds the speech, the recogniser takes it in pieces.

What FunASR's ``AutoModel.inference_with_vad`` does when it has a ``vad_model``; but decoding,
detecting, recognising, punctuating and listening to voices go on beside each other, each a little
ahead of the next, so that the length of a recording costs no memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.calls.submission import Tell
from safeasr.families.base import Accepts, Recognizer
from safeasr.families.terms import Terms
from safeasr.inputs.recording import Recording
from safeasr.observability.moments import InputMoments
from safeasr.options.declared import FLAG, Option, Options
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.detection import Detection
from safeasr.pipeline.diarization import Diarization
from safeasr.pipeline.pieces import Pieces
from safeasr.pipeline.punctuation import Punctuation
from safeasr.pipeline.runs import BoundedRun, Runs, still_wanted
from safeasr.pipeline.steps import SideRun, Steps
from safeasr.text.sentences import sentences_of_pieces

__all__ = ["SegmentedRecognizer", "segmented"]

#: Times of words, which speakers are told by.
_TIMES = "output_timestamp"
_SENTENCES_WANTED = "sentence_timestamp"
_SENTENCES = Options(
    Option(_SENTENCES_WANTED, FLAG, False, help="Sentences with their times, too."),
    Option("en_post_proc", FLAG, False, help="English marks in them."),
)


class _RecordingRun(BoundedRun):
    """A recording on its way."""

    def __init__(
        self, steps: Steps, runs: Runs, recording: Recording, moments: InputMoments | None
    ) -> None:
        super().__init__(steps, runs)
        self._recording = recording
        self._moments = moments

    def ended(self) -> None:
        if self._moments is not None:  # before anybody may take it for done
            one = self._recording
            self._moments.recorded(one.read_s, one.read_until, one.given_s)
        super().ended()

    @property
    def reading(self) -> bool:  # type: ignore[override]
        """As long as the recording has not ended."""
        return not self._recording.ended


class SegmentedRecognizer:
    """A recogniser with a detector before it; itself a recogniser."""

    def __init__(
        self,
        main: Recognizer,
        detection: Detection,
        runs: Runs,
        punctuation: Punctuation | None = None,
        diarization: Diarization | None = None,
    ) -> None:
        """Join loaded models.

        Args:
            main: gives the text.
            detection: gives the segments.
            runs: where recordings that are under way are noted.
            punctuation: puts the marks, if anything does.
            diarization: tells speakers apart, if anything does.
        """
        self._main = main
        self._detection = detection
        self._runs = runs
        self._punctuation = punctuation
        self._diarization = diarization
        self.task, self.streams = main.task, False
        self.accepts: tuple[Accepts, ...] = ("samples",)
        self.sample_rate = main.sample_rate
        self.options = main.options | detection.options | _SENTENCES
        if punctuation is not None:
            self.options |= punctuation.options
        if diarization is not None:
            self.options |= diarization.options

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""
        self._main.check(options)
        self._detection.check(options)
        if self._punctuation is not None:
            self._punctuation.check(options)

    def submit(
        self,
        engine: _ext.Engine,
        data: Recording | NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one recording."""
        return self.follow(engine, data, options, terms, None)

    def follow(
        self,
        engine: _ext.Engine,
        data: Recording | NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
        tell: Tell | None,
    ) -> _ext.Ticket:
        """Queue one recording, see :class:`safeasr.calls.submission.FollowedRecognizer`."""
        if isinstance(data, np.ndarray):
            data = Recording.of_samples(data, self.sample_rate)
        steps = self._steps(engine, data, options, terms, tell)
        return _RecordingRun(steps, self._runs, data, terms.moments).begun(terms.patience)

    def _steps(
        self,
        engine: _ext.Engine,
        recording: Recording,
        options: Mapping[str, Any],
        terms: Terms,
        tell: Tell | None,
    ) -> Steps:
        """All of the recording: segments, then the text of each, marks and speakers."""
        beside: list[SideRun] = []
        listens = self._diarization is not None and Diarization.wanted(options)
        if _TIMES in self._main.options and (tell is not None or self._diarization is not None):
            options = {_TIMES: True, **options}
        if tell is not None:
            options = {**options, _SENTENCES_WANTED: True}
        marks_tell = self._punctuation is not None and self._punctuation.tells_sentences
        at_once = tell if not listens and (self._punctuation is None or marks_tell) else None
        try:
            terms = terms.later_stage()  # it was accepted when there was room among the others
            finding, found = self._detection.begin(engine, recording, options, terms)
            beside.append(finding)
            voices = heard = reading = read = None
            if self._diarization is not None and listens:
                voices, heard = self._diarization.begin(engine, terms)
                beside.append(voices)
            if self._punctuation is not None:
                reading, read = self._punctuation.begin(engine, options, terms, at_once)
                beside.append(reading)
            pieces = Pieces(heard, read, tell, texts_only=at_once is not None)
            yield from pieces.recognised(self._main, engine, found, options, terms)
            combined = pieces.combined()
            if at_once is not None:  # all is told, or will be with the last marks
                return combined if reading is None else {"text": (yield reading).marked}
            options = self._sentences_wanted(options, combined)
            if self._punctuation is not None and reading is not None and combined["text"]:
                combined = self._punctuation.of_recording(
                    (yield reading), combined, pieces.results, pieces.segments, options
                )
            elif options.get(_SENTENCES_WANTED):
                combined["sentence_info"] = sentences_of_pieces(pieces.results, pieces.segments)
            if self._diarization is not None and voices is not None and combined["text"]:
                combined = yield from self._diarization.of_recording(
                    (yield voices),
                    combined,
                    pieces.results,
                    pieces.segments,
                    options,
                    still_wanted(engine, terms),
                )
            elif listens:
                combined["sentence_info"] = []
            if tell is not None and at_once is None:
                told = [*combined.get("sentence_info", ()), *map(dict, pieces.failed)]
                for one in sorted(told, key=lambda one: int(one["start"])):
                    tell(one)
            return combined
        finally:
            recording.close()
            for run in beside:
                run.cancel()

    def _sentences_wanted(
        self, options: Mapping[str, Any], combined: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """With speakers, sentences are made where those have any."""
        if self._diarization is None or not Diarization.wanted(options):
            return options
        by_segments = self._punctuation is None or Diarization.by_segments(options, combined)
        return {**options, _SENTENCES_WANTED: not by_segments}

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Text of all segments, with spaces between them, and their timestamps."""
        return {"key": key, **result}


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
    vad = companions.detector()
    assert vad is not None  # it is named
    return SegmentedRecognizer(main, Detection(vad, vad_options), runs, punctuation, diarization)
