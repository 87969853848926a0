"""Who says each segment of a stream of two passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from safeasr._extension import _ext
from safeasr.errors import DeadlineExceededError, InferenceError
from safeasr.families.terms import Terms
from safeasr.options.declared import Option, Options, number
from safeasr.pipeline.diarization import Diarization, Voices
from safeasr.pipeline.failures import failure
from safeasr.pipeline.segments import Segment
from safeasr.pipeline.steps import Steps
from safeasr.speakers.live import LiveSpeakers

__all__ = ["LIVE_SPEAKERS", "LiveDiarization"]

LIVE_SPEAKERS = Options(
    Diarization.options["return_spk_res"],
    Diarization.options["return_spk_center"],
    Option(
        "spk_threshold",
        number("a number from -1.0 to 1.0", least=-1, most=1),
        0.5,
        help="How alike (cosine) a segment must be to a speaker before it, to be theirs.",
    ),
)


class LiveDiarization:
    """The speakers of one stream."""

    def __init__(self, diarization: Diarization, options: Mapping[str, Any]) -> None:
        """Nobody was heard yet.

        Args:
            diarization: the speaker model.
            options: as of :data:`LIVE_SPEAKERS`.
        """
        self._diarization = diarization
        self._centres = bool(options.get("return_spk_center"))
        threshold = options.get("spk_threshold", LIVE_SPEAKERS["spk_threshold"].default)
        #: Who was heard so far; whoever takes a chunk back puts it back, too.
        self.known = LiveSpeakers(float(threshold))

    def of_segment(self, engine: _ext.Engine, segment: Segment, terms: Terms) -> Steps:
        """What an event says of whoever is heard in its segment.

        What was said counts more than by whom: where the network fails on windows of the segment,
        or its time is over, that is among its ``errors``; ``spk`` is None if nothing is left.

        Args:
            engine: that all models run on.
            segment: what was heard.
            terms: of a later stage of the stream.
        """
        run, heard = self._diarization.begin(engine, terms)
        try:
            heard.put(segment)
            heard.close()
            voices: Voices = yield run
            if not np.isfinite(voices.embeddings).all():
                raise InferenceError("the speaker model gives numbers that are not finite")
        except (InferenceError, DeadlineExceededError) as error:
            return {"spk": None, "errors": [failure(segment.start, segment.end, error)]}
        finally:
            run.cancel()
        speaker, self.known = self.known.with_segment(voices.embeddings)
        said: dict[str, Any] = {"spk": speaker.number, "spk_score": speaker.likeness}
        if self._centres:
            said["spk_center"] = torch.from_numpy(speaker.centre)
        if voices.failed:
            said["errors"] = list(voices.failed)
        return said
