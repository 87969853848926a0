"""The speaker model behind a recogniser: who says each sentence of a recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.calls.background import on_thread_of
from safeasr.calls.dispatcher import ALONE, BACKGROUND
from safeasr.calls.inbox import Inbox
from safeasr.errors import (
    InferenceError,
    OutOfMemoryError,
    SafeASRError,
    UnsupportedModelError,
)
from safeasr.families.base import Recognizer
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Kind, Option, Options, Where, number, one_of, whole
from safeasr.pipeline.answered import answered
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.failures import failure
from safeasr.pipeline.segments import Segment
from safeasr.pipeline.steps import SideRun, Steps
from safeasr.speakers.clustering import MANY, MERGE_ABOVE, require_libraries, speakers_of
from safeasr.speakers.turns import centres_of, in_order, turns_of, with_speakers
from safeasr.speakers.windows import Window, windows_of

__all__ = ["CLUSTERING", "Diarization", "Voices", "diarization_of"]

#: Windows of one recording that are in the engine at a time: others want their turn, too.
_AHEAD: Final = 64
#: Segments that may wait for that.
_SEGMENTS_AHEAD: Final = 8
_NONE: Final = np.zeros((0, 0), np.float32)
_BY_SEGMENTS: Final = "vad_segment"
_COSINE = number("a number above 0.0 and at most 1.0", least=1e-9, most=1)
#: Of ``spk_kwargs``, FunASR's arguments of the clustering.
CLUSTERING = Options(
    Option(
        "cb_kwargs",
        Kind(
            "a dict with 'merge_thr', a number above 0.0 and at most 1.0",
            lambda value: (
                isinstance(value, Mapping)
                and all(name == "merge_thr" and _COSINE.accepts(one) for name, one in value.items())
            ),
            dict,
        ),
        where=Where.CONSTRUCTOR,
        help="How alike groups of windows must be to be one speaker's.",
    )
)
_OPTIONS = Options(
    Option("return_spk_res", FLAG, True, help="Say who speaks (sentence_info, spk)."),
    Option("return_spk_center", FLAG, False, help="The speakers' mean embeddings, too."),
    Option(
        "preset_spk_num",
        whole("a whole number of at least 1", least=1),
        help="How many speakers there are.",
    ),
    Option(
        "spk_mode",
        one_of("default", "punc_segment", _BY_SEGMENTS),
        "punc_segment",
        help="Whether each sentence has a speaker, or each of the detector's segments.",
    ),
)


@dataclass(frozen=True, eq=False)
class Voices:
    """The windows of a recording.

    Attributes:
        spans: beginning and end of each, in seconds.
        embeddings: float32 (windows, size).
        failed: windows on which the network failed, as in the ``errors`` of a result.
    """

    spans: Sequence[tuple[float, float]]
    embeddings: NDArray[np.float32]
    failed: Sequence[Mapping[str, Any]] = ()


class Diarization:
    """A speaker model and the options that it was made with."""

    options = _OPTIONS

    def __init__(self, model: Recognizer, defaults: Mapping[str, Any]) -> None:
        """Take a loaded model.

        Args:
            model: gives the embeddings.
            defaults: options of the constructor (``spk_kwargs``).
        """
        self._model = model
        clustering = defaults.get("cb_kwargs") or {}
        self._merge_above = float(clustering.get("merge_thr", MERGE_ABOVE))

    @staticmethod
    def wanted(options: Mapping[str, Any]) -> bool:
        """Whether a call wants to know who speaks."""
        return bool(options.get("return_spk_res", True))

    @staticmethod
    def by_segments(options: Mapping[str, Any], combined: Mapping[str, Any]) -> bool:
        """Whether segments have speakers, not sentences; always so where nothing has a time."""
        return options.get("spk_mode") == _BY_SEGMENTS or "timestamp" not in combined

    def begin(self, engine: _ext.Engine, terms: Terms) -> tuple[SideRun, Inbox[Segment]]:
        """Have the windows of a recording embedded, beside whatever else is done with it.

        Args:
            engine: that all models run on.
            terms: of a later stage of the recording.

        Returns:
            The ticket of its :class:`Voices`, and what its segments go into.
        """
        heard: Inbox[Segment] = Inbox(_SEGMENTS_AHEAD)
        run = SideRun(self._embed(engine, heard, terms))
        run.begin()
        return run, heard

    def _embed(self, engine: _ext.Engine, heard: Inbox[Segment], terms: Terms) -> Steps:
        rate = self._model.sample_rate
        spans: list[tuple[float, float]] = []
        embeddings = bytearray()  # grows without a copy; an array each would take twice the memory
        failed: list[dict[str, Any]] = []

        def windows(segment: Segment) -> Iterator[Window]:
            return windows_of(segment.start / 1000.0, segment.samples, rate)

        def submit(window: Window) -> tuple[tuple[float, float], _ext.Ticket]:
            ticket = self._model.submit(engine, window.samples, {}, terms)
            return (window.start, window.end), ticket

        def done(span: tuple[float, float], ticket: _ext.Ticket) -> None:
            try:
                embedding = self._embedding(ticket.get())
            except InferenceError as error:
                failed.append(failure(round(span[0] * 1000), round(span[1] * 1000), error))
            else:
                spans.append(span)
                embeddings.extend(embedding.data)

        yield from answered(heard, windows, submit, done, ahead=_AHEAD)
        if failed and not spans:
            raise failed[0]["error"]
        found = np.frombuffer(embeddings, np.float32).reshape(len(spans), -1) if spans else _NONE
        return Voices(spans, found, failed)

    def _embedding(self, raw: Any) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._model.finish(raw, "", {})["spk_embedding"].numpy()
        return found

    def of_recording(
        self,
        voices: Voices,
        combined: dict[str, Any],
        results: Sequence[Mapping[str, Any]],
        segments: Sequence[Sequence[int]],
        options: Mapping[str, Any],
        still_wanted: Callable[[], None],
    ) -> Steps:
        """A recording's result, with whoever says each of its sentences or segments.

        Args:
            voices: of the recording.
            combined: of all pieces; its ``sentence_info`` is what has speakers, if it has one.
            results: of each piece, with times from the beginning of the recording.
            segments: ``[start_ms, end_ms]`` of each.
            options: of the call.
            still_wanted: raises if nobody wants the result any more.

        Raises:
            InferenceError: if the clustering fails; of its kinds, OutOfMemoryError.
            UnsupportedModelError: if a library that it needs cannot be imported.
        """
        found = voices.embeddings
        thread = BACKGROUND if len(found) < MANY else ALONE
        count = options.get("preset_spk_num")
        work = partial(speakers_of, found, count, self._merge_above)
        ticket = on_thread_of(thread, work, still_wanted)
        try:
            labels = yield ticket
        except SafeASRError:
            raise
        except Exception as error:
            raise _typed(error) from error
        finally:
            ticket.cancel()
        speakers = in_order(labels)
        finished = dict(combined)
        if voices.failed:
            finished["errors"] = [*combined.get("errors", ()), *voices.failed]
        if options.get("return_spk_center"):
            finished["spk_embedding_center"] = centres_of(found, speakers)
        sentences = combined.get("sentence_info")
        if sentences is None:
            sentences = _segments_as_sentences(results, segments)
        finished["sentence_info"] = with_speakers(sentences, turns_of(voices.spans, speakers))
        return finished


def _typed(error: Exception) -> SafeASRError:
    message = f"telling speakers apart failed: {type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return OutOfMemoryError(message)
    return (UnsupportedModelError if isinstance(error, ImportError) else InferenceError)(message)


def _segments_as_sentences(
    results: Sequence[Mapping[str, Any]], segments: Sequence[Sequence[int]]
) -> list[dict[str, Any]]:
    """Each segment with its edges as the detector found them; blank ones, too."""
    return [
        {
            "start": start,
            "end": end,
            "text": result["text"],
            "sentence": result["text"],
            "timestamp": result.get("timestamp", []),
        }
        for result, (start, end) in zip(results, segments, strict=True)
    ]


def diarization_of(companions: Companions, defaults: Mapping[str, Any]) -> Diarization | None:
    """The speaker model beside a main one; None if there is none.

    Args:
        companions: the models beside it.
        defaults: as of :class:`Diarization`.

    Raises:
        UnsupportedModelError: if it goes with no such model, or needs what is not installed.
    """
    model = companions.speaker_model()
    if model is None:
        return None
    companions.require_offline_recogniser("spk_model")
    require_libraries()
    return Diarization(model, defaults)
