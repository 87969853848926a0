"""A loaded Paraformer: utterances to requests, token ids to text and times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.families.base import Accepts, Task
from safeasr.families.beam_search import BEAM_SEARCH, BeamSearch
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import load_programs, reading, skipped_tokens
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options, number
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess
from safeasr.text.timestamps import paraformer_timestamps

__all__ = ["OPTIONS", "ParaformerRecognizer"]

#: Within what times can be told in 64 bits.
_MS = number("a number of ms", least=-1e15, most=1e15)
OPTIONS = BEAM_SEARCH | Options(
    Option("pred_timestamp", FLAG, False, help="When each token was said."),
    Option("output_timestamp", FLAG, False, help="The same, by another name."),
    Option("begin_time", _MS, 0, help="Added to all times."),
)


class ParaformerRecognizer:
    """A loaded Paraformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            arguments = frontend_of(bundle)
            frontend = _ext.Frontend(**arguments)
            self.sample_rate: int = arguments["sample_rate"]
            settings = bundle.settings
            self._search = BeamSearch(settings)
            self._skip = skipped_tokens(settings)
            self._tail_threshold = settings.number("tail_threshold")
            self._tail_mask = settings.flag("tail_mask")
            left, right = (settings.whole(one, most=1000) for one in ("cif_left", "cif_right"))
        self.tokens = bundle.tokens
        self._runner = _ext.ParaformerRunner(
            frontend=frontend,
            encoder=encoder,
            decoder=decoder,
            tail_threshold=self._tail_threshold,
            cif_left=left,
            cif_right=right,
            limits=_ext.BatchLimits(**limits, ragged=True),
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse beam search, where FunASR would run it for these options."""
        self._search.check(options)

    @staticmethod
    def _wants_timestamps(options: Mapping[str, Any]) -> bool:
        return bool(options.get("pred_timestamp", options.get("output_timestamp", False)))

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance."""
        return self._runner.submit(
            engine,
            data,
            want_alignment=self._wants_timestamps(options),
            terms=terms.for_engine(),
        )

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"[, "timestamp"]}``."""
        tokens = ids_to_tokens(result["tokens"], self.tokens, self._skip)
        if not self._wants_timestamps(options):
            return {"key": key, "text": sentence_postprocess(tokens).text}
        if not tokens:
            return {"key": key, "text": "", "timestamp": []}
        times = paraformer_timestamps(
            result["alphas"],
            result["peaks"],
            tokens,
            result["frames"],
            tail_mask=self._tail_mask,
            tail_threshold=self._tail_threshold,
            begin_time=float(options.get("begin_time", 0)),
        )
        sentence = sentence_postprocess(tokens, times.timestamps)
        return {"key": key, "text": sentence.text, "timestamp": sentence.timestamps}
