"""A loaded CTC network: utterances to requests, token ids to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.families.base import Accepts, Task
from safeasr.families.encoders import shape_of
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import load_programs, reading, skipped_tokens
from safeasr.families.terms import Terms
from safeasr.options.declared import Options
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["OPTIONS", "CtcRecognizer"]

OPTIONS = Options()


class CtcRecognizer:
    """A loaded CTC."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            arguments, settings = frontend_of(bundle), bundle.settings
            self.sample_rate: int = arguments["sample_rate"]
            self._skip = skipped_tokens(settings)
            self._runner = _ext.CtcRunner(
                frontend=_ext.Frontend(**arguments),
                program=program,
                shape=shape_of(settings),
                blank=settings.whole("blank_id"),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )
        self.tokens = bundle.tokens

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing to refuse: beam search, for which there is no decoder, FunASR does not do."""

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
        """Token ids to FunASR's ``{"key", "token", "text"}``."""
        tokens = ids_to_tokens(result["tokens"], self.tokens, self._skip)
        return {"key": key, "token": tokens, "text": sentence_postprocess(tokens).text}
