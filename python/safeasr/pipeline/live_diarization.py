"""Who says each segment of a stream of two passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from safeasr._extension import _ext
from safeasr.families.terms import Terms
from safeasr.options.declared import Option, Options, number
from safeasr.pipeline.diarization import Diarization, Voices
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
        self._speakers = LiveSpeakers(float(options.get("spk_threshold", 0.5)))

    def of_segment(self, engine: _ext.Engine, segment: Segment, terms: Terms) -> Steps:
        """What an event says of whoever is heard in its segment.

        Where the network fails, that is among its ``errors``, and ``spk`` is None: what was said
        counts more than by whom.

        Args:
            engine: that all models run on.
            segment: what was heard.
            terms: of a later stage of the stream.
        """
        run, heard = self._diarization.begin(engine, terms, keep_failures=True)
        heard.put(segment)
        heard.close()
        try:
            voices: Voices = yield run
        finally:
            run.cancel()
        said: dict[str, Any] = {"spk": None}
        if voices.failed:
            said["errors"] = list(voices.failed)
        if len(voices.embeddings):
            turn = self._speakers.turn_of(voices.embeddings)
            said |= {"spk": turn.speaker, "spk_score": turn.likeness}
            if self._centres:
                said["spk_center"] = torch.from_numpy(turn.centre)
        return said
