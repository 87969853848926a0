"""A loaded ContextualParaformer: utterances with hotwords to requests, token ids to text."""

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
from safeasr.families.hotword_lists import HOTWORD_OPTION, hotword_lists
from safeasr.families.programs import load_programs, reading, skipped_tokens
from safeasr.families.terms import Terms
from safeasr.options.declared import Option, Options, number
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["OPTIONS", "ContextualRecognizer"]

OPTIONS = BEAM_SEARCH | Options(
    HOTWORD_OPTION,
    Option("clas_scale", number("a number", least=-1e6, most=1e6), 1.0, help="Hotwords' weight."),
)
#: What FunASR's network sees where a call has no hotwords: this id, whatever the sentence mark is.
_NOTHING = [[1]]


class ContextualRecognizer:
    """A loaded ContextualParaformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder, bias_encoder = load_programs(
                bundle, device, ("encoder", "decoder", "bias_encoder")
            )
            arguments = frontend_of(bundle)
            self.sample_rate: int = arguments["sample_rate"]
            settings = bundle.settings
            self._search = BeamSearch(settings)
            self._skip = skipped_tokens(settings)
            self._tokens = bundle.tokens
            self.lists = hotword_lists(bundle)
            self._nothing = _ext.HotwordList(_NOTHING)
            self._runner = _ext.ContextualRunner(
                frontend=_ext.Frontend(**arguments),
                encoder=encoder,
                decoder=decoder,
                bias_encoder=bias_encoder,
                tail_threshold=settings.number("tail_threshold"),
                cif_left=settings.whole("cif_left", most=1000),
                cif_right=settings.whole("cif_right", most=1000),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse beam search, where FunASR would run it for these options."""
        self._search.check(options)

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance."""
        hotwords = options.get("hotword")
        scale = options.get("clas_scale")
        return self._runner.submit(
            engine,
            data,
            hotwords=self._nothing if hotwords is None else self.lists.get(hotwords),
            bias_scale=1.0 if scale is None else float(scale),
            terms=terms.for_engine(),
        )

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"}``."""
        tokens = ids_to_tokens(result["tokens"], self._tokens, self._skip)
        return {"key": key, "text": sentence_postprocess(tokens).text}
