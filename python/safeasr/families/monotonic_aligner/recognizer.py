"""A loaded MonotonicAligner: a recording and its text to when each word was said."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.families.base import Accepts, Task
from safeasr.families.frontends import frontend_of
from safeasr.families.lexicons import read_lexicon
from safeasr.families.programs import load_programs, reading
from safeasr.families.terms import Terms
from safeasr.families.timed_head import UPSAMPLED
from safeasr.options.declared import Options
from safeasr.pair import Pair
from safeasr.text.characters import CharacterTokens
from safeasr.text.sentence import sentence_postprocess
from safeasr.text.timestamps import integrate_and_fire, ts_prediction_lfr6_standard

__all__ = ["OPTIONS", "AlignerRecognizer"]

OPTIONS = Options()


class _Heard(NamedTuple):
    """What is known of a recording when its request is done.

    Attributes:
        tokens: of its text.
        weights: of the steps of its rows, (rows, steps) float32.
    """

    tokens: list[str]
    weights: NDArray[np.float32]


class AlignerRecognizer:
    """A loaded MonotonicAligner."""

    task: Task = "align"
    accepts: tuple[Accepts, ...] = ("pairs",)
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            [program] = load_programs(bundle, device, ("model",))
            arguments = frontend_of(bundle)
            self.sample_rate: int = arguments["sample_rate"]
            unknown = bundle.settings.whole("unknown", most=len(bundle.tokens) - 1)
            self._tokens = CharacterTokens(bundle.tokens, unknown, read_lexicon(bundle))
            self._runner = _ext.RaggedRunner(
                program=program,
                outputs=["rows"],
                frontend=_ext.Frontend(**arguments),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing to refuse."""

    def steps(
        self, engine: _ext.Engine, data: Pair, options: Mapping[str, Any], terms: Terms
    ) -> Generator[_ext.Ticket, Any, _Heard]:
        """One recording; its text is needed only when the weights have come."""
        tokens = self._tokens.of(data.text)
        ticket = self._runner.submit(engine, data.samples, terms=terms.for_engine())
        try:
            [weights] = yield ticket
        finally:
            ticket.cancel()
        return _Heard(tokens, weights)

    def finish(self, result: _Heard, key: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """FunASR's ``{"key", "text", "timestamp"}``; a space stands between all words."""
        if not result.tokens:
            return {"key": key, "text": "", "timestamp": []}
        weights = torch.from_numpy(np.ascontiguousarray(result.weights)).reshape(-1)
        # By torch, whose order of adding is part of the answer. One more than there are tokens
        # fires: the last one ends there.
        scaled = (weights * (torch.tensor(len(result.tokens) + 1) / weights.sum())).numpy()
        times = ts_prediction_lfr6_standard(
            scaled, integrate_and_fire(scaled), result.tokens, upsample_rate=UPSAMPLED
        )
        sentence = sentence_postprocess(result.tokens, times.timestamps)
        return {"key": key, "text": sentence.text, "timestamp": sentence.timestamps}
