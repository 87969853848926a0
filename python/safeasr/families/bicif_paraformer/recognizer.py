"""A loaded BiCifParaformer: utterances to requests, token ids to text with times."""

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
from safeasr.families.paraformer.recognizer import OPTIONS as PLAIN_OPTIONS
from safeasr.families.programs import load_programs, reading, skipped_tokens
from safeasr.families.terms import Terms
from safeasr.families.timed_head import UPSAMPLED
from safeasr.options.declared import FLAG, Option, Options
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess
from safeasr.text.timestamps import ts_prediction_lfr6_standard

__all__ = ["OPTIONS", "BiCifRecognizer", "TimedTokens", "runner_settings"]

OPTIONS = BEAM_SEARCH | Options(
    PLAIN_OPTIONS["begin_time"],
    Option("pred_timestamp", FLAG, help="Nothing depends on it: times are always told."),
    Option("output_timestamp", FLAG, help="Nothing depends on it: times are always told."),
)


def runner_settings(bundle: Bundle) -> dict[str, Any]:
    """The predictor's settings, as the extension's runners take them."""
    settings = bundle.settings
    return {
        "tail_threshold": settings.number("tail_threshold"),
        "cif_left": settings.whole("cif_left", most=1000),
        "cif_right": settings.whole("cif_right", most=1000),
        "token_by_token": True,
        "upsampled": UPSAMPLED,
    }


class TimedTokens:
    """From the tokens of a Paraformer with a ``CifPredictorV3`` to FunASR's result dict."""

    def __init__(self, bundle: Bundle) -> None:
        self._skip = skipped_tokens(bundle.settings)
        self._tokens = bundle.tokens

    def result(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """``{"key", "text", "timestamp"}``; a space stands between all words and characters."""
        tokens = ids_to_tokens(result["tokens"], self._tokens, self._skip)
        if not tokens:
            return {"key": key, "text": "", "timestamp": []}
        times = ts_prediction_lfr6_standard(
            result["alphas"],
            result["peaks"],
            tokens,
            vad_offset=float(options.get("begin_time") or 0),
            upsample_rate=UPSAMPLED,
        )
        sentence = sentence_postprocess(tokens, times.timestamps)
        return {"key": key, "text": sentence.text, "timestamp": sentence.timestamps}


class BiCifRecognizer:
    """A loaded BiCifParaformer."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            arguments = frontend_of(bundle)
            self.sample_rate: int = arguments["sample_rate"]
            self._search = BeamSearch(bundle.settings)
            self._text = TimedTokens(bundle)
            self._runner = _ext.ParaformerRunner(
                frontend=_ext.Frontend(**arguments),
                encoder=encoder,
                decoder=decoder,
                **runner_settings(bundle),
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
        return self._runner.submit(engine, data, want_alignment=True, terms=terms.for_engine())

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text", "timestamp"}``."""
        return self._text.result(result, key, options)
