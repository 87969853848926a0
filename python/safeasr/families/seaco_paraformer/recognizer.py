"""A loaded SeACo-Paraformer: utterances with hotwords to requests, token ids to text with times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.families.base import Accepts, Task
from safeasr.families.beam_search import BeamSearch
from safeasr.families.bicif_paraformer.recognizer import OPTIONS as TIMED_OPTIONS
from safeasr.families.bicif_paraformer.recognizer import TimedTokens, runner_settings
from safeasr.families.frontends import frontend_of
from safeasr.families.hotword_lists import HOTWORD_OPTION, hotword_lists
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.options.declared import Options

__all__ = ["OPTIONS", "SeacoRecognizer"]

OPTIONS = TIMED_OPTIONS | Options(HOTWORD_OPTION)
#: Of a longer list, those count that an utterance attends to most: FunASR's ``nfilter``.
_MOST_WORDS = 50


class SeacoRecognizer:
    """A loaded SeACo-Paraformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder, bias_encoder, bias_decoder = load_programs(
                bundle, device, ("encoder", "decoder", "bias_encoder", "bias_decoder")
            )
            arguments = frontend_of(bundle)
            self.sample_rate: int = arguments["sample_rate"]
            self.lists = hotword_lists(bundle)
            self._search = BeamSearch(bundle.settings)
            self._text = TimedTokens(bundle)
            self._runner = _ext.SeacoRunner(
                frontend=_ext.Frontend(**arguments),
                encoder=encoder,
                decoder=decoder,
                bias_encoder=bias_encoder,
                bias_decoder=bias_decoder,
                **runner_settings(bundle),
                most_words=_MOST_WORDS,
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
        """Queue one utterance.

        No hotwords and an empty list of them are different things: with an empty list the text
        still goes through the second decoder.
        """
        hotwords = options.get("hotword")
        return self._runner.submit(
            engine,
            data,
            hotwords=None if hotwords is None else self.lists.get(hotwords),
            terms=terms.for_engine(),
        )

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text", "timestamp"}``."""
        return self._text.result(result, key, options)
