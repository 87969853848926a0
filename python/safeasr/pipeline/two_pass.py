"""Two passes: text while somebody speaks, and a better one when they pause.

The way of FunASR's websocket service (``runtime/python/websocket``): a voice activity detector
follows the audio; while it hears speech a streaming recogniser gives text at once; when a segment
ends, an offline recogniser goes over all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.families.base import Recognizer, StreamingRecognizer
from safeasr.families.terms import Terms
from safeasr.pipeline.diarization import Diarization
from safeasr.pipeline.live_diarization import LiveDiarization
from safeasr.pipeline.punctuation import Punctuation
from safeasr.pipeline.segments import Segment
from safeasr.pipeline.single import submit_chunk
from safeasr.pipeline.steps import Steps

__all__ = ["Models", "TwoPassPipeline"]

#: How far before its report a segment may begin; what is older is forgotten. The detector reports
#: a beginning after its window (200 ms by default) and sets it back by its look-back (200 ms).
_KEEP_MS = 3000


@dataclass(frozen=True)
class Models:
    """The models of a stream; all run on one engine.

    Attributes:
        engine: where they run.
        vad: finds the segments.
        online: gives text while somebody speaks; None: no first pass.
        offline: gives the text of finished segments; None: no second pass.
        punctuation: puts the marks, if anything does.
        diarization: tells voices apart, if anything does.
    """

    engine: _ext.Engine
    vad: StreamingRecognizer
    online: StreamingRecognizer | None
    offline: Recognizer | None
    punctuation: Punctuation | None = None
    diarization: Diarization | None = None


@dataclass
class _Segment:
    """Speech that goes on.

    Attributes:
        start: ms.
        stream: of the streaming recogniser.
        fed: number of the first sample that it was not given.
        heard: the same of what came before the end of the segment was known.
        tokens: what it has said so far.
    """

    start: int
    stream: Any
    fed: int
    heard: int = 0
    tokens: list[int] = field(default_factory=list)


class _Recent:
    """The last samples of a stream, by their numbers in it."""

    def __init__(self) -> None:
        self._parts: deque[NDArray[np.float32]] = deque()
        self.start = 0
        self.end = 0

    def append(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self._parts.append(samples)
            self.end += len(samples)

    def take(self, start: int, end: int) -> NDArray[np.float32]:
        """Samples ``start`` to ``end`` - 1, as far as they are there."""
        found: list[NDArray[np.float32]] = []
        part_end = self.end
        for part in reversed(self._parts):  # the newest are asked for most often
            part_start = part_end - len(part)
            if part_end <= start:
                break
            if part_start < end:
                found.append(part[max(start - part_start, 0) : end - part_start])
            part_end = part_start
        return np.concatenate(found[::-1]) if found else np.zeros(0, np.float32)

    def forget_before(self, start: int) -> None:
        """Drop the parts that lie before a sample altogether."""
        while self._parts and self.start + len(self._parts[0]) <= start:
            self.start += len(self._parts.popleft())


class TwoPassPipeline:
    """Chunks to lists of events; see ``AutoModel.stream`` for what is in them."""

    def __init__(
        self,
        models: Models,
        *,
        vad: Mapping[str, Any],
        online: Mapping[str, Any],
        offline: Mapping[str, Any],
        punctuation: Mapping[str, Any],
        speakers: Mapping[str, Any],
        key: str,
    ) -> None:
        """Begin a stream.

        Args:
            models: the models.
            vad: options of the detector's stream.
            online: options of the streaming recogniser's streams.
            offline: options of the offline recogniser's calls.
            punctuation: options of the punctuation model.
            speakers: options of the stream's speakers.
            key: name of the stream in events.

        Raises:
            ValueError: if an option makes no sense.
        """
        self._models = models
        self._vad_options = vad
        self._online_options = online
        self._offline_options = offline
        self._punctuation_options = punctuation
        #: What the punctuation model remembers of the segments that have ended.
        self._marked: dict[str, Any] = {}
        self._key = key
        self._speakers: LiveDiarization | None = None
        if models.diarization is not None and models.diarization.wanted(speakers):
            self._speakers = LiveDiarization(models.diarization, speakers)
        if models.offline is not None:
            models.offline.check(offline)
        if models.punctuation is not None:
            models.punctuation.check(punctuation)
        if models.online is not None:
            models.online.check(online)
            # For its checks: wrong options are refused now, not when somebody speaks.
            models.online.open(models.engine, online)
            self._step = models.online.step_samples(online)
        self._vad = models.vad.open(models.engine, vad)
        self._recent = _Recent()
        self._segment: _Segment | None = None
        self.sample_rate = models.vad.sample_rate
        self._text = ""

    @property
    def text(self) -> str:
        """The text of the last segment so far."""
        return self._text

    def process(
        self, samples: NDArray[np.float32], is_final: bool, deadline: float | None
    ) -> Steps:
        """One chunk: where speech begins and ends in it, then what was said."""
        found = yield submit_chunk(self._vad, samples, is_final, deadline)
        self._recent.append(samples)
        marked = self._marked
        known = self._speakers.known if self._speakers is not None else None
        events: list[dict[str, Any]] = []
        try:
            for start, end in found["segments"]:
                if start != -1:
                    self._begin(start)
                if end != -1 and self._segment is not None:
                    yield from self._end(end, deadline, events)
            if self._segment is not None:
                yield from self._listen(deadline, events)
            if is_final and self._segment is not None:
                yield from self._end(self._ms(self._recent.end), deadline, events)
        except BaseException:
            # What it told of nobody gets to know.
            self._marked = marked
            if self._speakers is not None and known is not None:
                self._speakers.known = known
            raise
        finally:
            if is_final:  # the detector has begun anew
                self._recent, self._segment, self._marked = _Recent(), None, {}
        oldest = self._recent.end - self._samples(_KEEP_MS)
        if self._segment is not None:
            oldest = min(oldest, self._samples(self._segment.start))
        self._recent.forget_before(max(oldest, 0))
        return events

    def _samples(self, ms: int) -> int:
        return ms * self.sample_rate // 1000

    def _ms(self, samples: int) -> int:
        return samples * 1000 // self.sample_rate

    def _begin(self, start: int) -> None:
        online = self._models.online
        stream = online.open(self._models.engine, self._online_options) if online else None
        self._segment = _Segment(start, stream, self._samples(start))
        self._text = ""

    def _listen(self, deadline: float | None, events: list[dict[str, Any]]) -> Steps:
        """First pass: what was said since the last chunk."""
        segment, online = self._segment, self._models.online
        if segment is None or online is None:
            return
        segment.heard = end = self._recent.end
        begun = self._samples(segment.start)
        if (end - begun) // self._step == (segment.fed - begun) // self._step:
            return  # it would only be kept for the next chunk
        heard = self._recent.take(segment.fed, end)
        result = yield submit_chunk(segment.stream, heard, False, deadline)
        segment.fed = end
        segment.tokens.extend(result["tokens"])
        self._text = online.text_of(segment.tokens)
        added = online.text_of(result["tokens"])
        if added:
            if self._models.punctuation is not None and self._models.punctuation.goes_on:
                # Not the last word: what it remembers of this is dropped.
                self._text = yield from self._with_marks(self._text, dict(self._marked), deadline)
            events.append(
                {
                    "key": self._key,
                    "mode": "2pass-online",
                    "text": added,
                    "segment_text": self._text,
                    "start": segment.start,
                    "is_final": False,
                }
            )

    def _end(self, end: int, deadline: float | None, events: list[dict[str, Any]]) -> Steps:
        """Second pass: all of the segment at once."""
        segment = self._segment
        assert segment is not None
        event: dict[str, Any] = {
            "key": self._key,
            "start": segment.start,
            "end": end,
            "is_final": True,
        }
        offline, online = self._models.offline, self._models.online
        if offline is not None:
            speech = self._recent.take(self._samples(segment.start), self._samples(end))
            self._segment = None
            if not len(speech):
                return
            speech = np.ascontiguousarray(speech)
            # Somebody waits for it, as for the first pass.
            terms = Terms(deadline=deadline).later_stage(live=True)
            result = yield offline.submit(self._models.engine, speech, self._offline_options, terms)
            options = {**self._offline_options, "begin_time": segment.start}
            event |= offline.finish(result, self._key, options)
            event["mode"] = "2pass-offline"
        else:
            rest = self._recent.take(segment.fed, max(self._samples(end), segment.heard))
            result = yield submit_chunk(segment.stream, rest, True, deadline)
            self._segment = None
            segment.tokens.extend(result["tokens"])
            event["text"] = online.text_of(segment.tokens) if online else ""
            event["mode"] = "2pass-online"
        if self._models.punctuation is not None and event["text"].strip():
            if self._punctuation_options.get("return_raw_text"):
                event["raw_text"] = event["text"]
            marked = dict(self._marked)
            event["text"] = yield from self._with_marks(event["text"], marked, deadline)
            self._marked = marked
        if self._speakers is not None and offline is not None:
            heard = Segment(segment.start, end, speech)
            event |= yield from self._speakers.of_segment(self._models.engine, heard, terms)
        self._text = event["text"]
        events.append(event)

    def _with_marks(self, text: str, cache: dict[str, Any], deadline: float | None) -> Steps:
        assert self._models.punctuation is not None
        terms = Terms(deadline=deadline).later_stage(live=True)
        return (
            yield from self._models.punctuation.of_live(
                self._models.engine, text, cache, self._punctuation_options, terms
            )
        )
