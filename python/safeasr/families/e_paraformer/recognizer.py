"""A loaded EParaformer: utterances to requests, token ids to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import UnsupportedModelError
from safeasr.families.base import Accepts, Task
from safeasr.families.beam_search import BEAM_SEARCH, BeamSearch
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import load_programs, reading, skipped_tokens
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["OPTIONS", "EParaformerRecognizer"]

OPTIONS = BEAM_SEARCH | Options(
    Option("pred_timestamp", FLAG, False, help="Refused: this class has no times to tell."),
    Option("output_timestamp", FLAG, False, help="Nothing depends on it."),
)
#: Added to the weights' sum, which CIF then cuts to a whole number: so it is rounded.
_HALF: Final = 0.5


class EParaformerRecognizer:
    """A loaded EParaformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            arguments = frontend_of(bundle)
            self.sample_rate: int = arguments["sample_rate"]
            settings = bundle.settings
            self._search = BeamSearch(settings)
            self._skip = skipped_tokens(settings)
            self._tokens = bundle.tokens
            self._runner = _ext.ParaformerRunner(
                frontend=_ext.Frontend(**arguments),
                encoder=encoder,
                decoder=decoder,
                tail_threshold=_HALF,
                cif_left=settings.whole("cif_left", most=1000),
                cif_right=settings.whole("cif_right", most=1000),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse times, for which FunASR fails, and beam search."""
        self._search.check(options)
        if options.get("pred_timestamp"):
            raise UnsupportedModelError(
                "pred_timestamp is not supported for EParaformer, whose tokens have no times"
            )

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance."""
        return self._runner.submit(engine, data, terms=terms.for_engine())

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"}``."""
        tokens = ids_to_tokens(result["tokens"], self._tokens, self._skip)
        return {"key": key, "text": sentence_postprocess(tokens).text}
