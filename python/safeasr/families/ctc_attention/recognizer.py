"""A loaded hybrid of CTC and attention: utterances to requests, token ids to texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.errors import UnsupportedModelError
from safeasr.families.base import Accepts, NBest, Task
from safeasr.families.encoders import shape_of
from safeasr.families.frontends import frontend_of
from safeasr.families.programs import load_programs, reading, skipped_tokens
from safeasr.families.terms import Terms
from safeasr.options.declared import Option, Options, number, whole
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["OPTIONS", "HybridRecognizer"]

#: Each hypothesis costs a row of every step, so that beyond this a request would hold up others.
_WIDEST: Final = 1000
#: Of an input in which there is nothing.
_NONE: Final[dict[str, list[int]]] = {"tokens": []}
_SHARE = number("a number from 0.0 to 1.0", least=0, most=1)
_SCORE = number("a number", least=-1e6, most=1e6)
_RATIO = number("a number from -100000.0 to 100000.0", least=-1e5, most=1e5)
OPTIONS = Options(
    Option("beam_size", whole(f"a whole number from 1 to {_WIDEST}", least=1, most=_WIDEST), 10,
           help="Texts that are followed at a time."),
    Option("decoding_ctc_weight", _SHARE, 0.5, help="How much CTC counts; the rest, the decoder."),
    Option("nbest", whole(f"a whole number from 1 to {_WIDEST}", least=1, most=_WIDEST), 1,
           help="Texts that are wanted of each input, best first."),
    Option("penalty", _SCORE, 0.0, help="Added to a text's score for each token."),
    Option("maxlenratio", _RATIO, 0.0,
           help="Most tokens, of the rows of sound; 0: found out; below 0: so many tokens."),
    Option("minlenratio", _RATIO, 0.0, help="Nothing depends on it, in FunASR either."),
    Option("lm_weight", _SCORE, 0.0, help="Nothing depends on it, in FunASR either."),
    Option("ngram_weight", _SCORE, 0.0, help="Nothing depends on it, in FunASR either."),
)  # fmt: skip


class HybridRecognizer:
    """A loaded Transformer, Conformer, Branchformer, EBranchformer or SANM."""

    task: Task = "asr"
    accepts: tuple[Accepts, ...] = ("samples", "features")
    streams = False
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            names = [name for name in ("encoder", "decoder") if name in bundle.programs]
            encoder, *others = load_programs(bundle, device, names)
            arguments, settings = frontend_of(bundle), bundle.settings
            self.sample_rate: int = arguments["sample_rate"]
            self._skip = skipped_tokens(settings)
            self._ctc_weight = settings.number("ctc_weight", least=0.0, most=1.0)
            layers, rows, size = settings.wholes("filters")
            self._runner = _ext.CtcAttentionRunner(
                frontend=_ext.Frontend(**arguments),
                encoder=encoder,
                decoder=others[0] if others else None,
                shape=shape_of(settings),
                sos=settings.whole("sos"),
                eos=settings.whole("eos"),
                vocab_size=len(bundle.tokens),
                choose_first=self._ctc_weight < 1.0,
                filters=(layers, rows, size),
                limits=_ext.BatchLimits(**limits, ragged=True),
            )
        self.tokens = bundle.tokens

    def _share(self, options: Mapping[str, Any]) -> float:
        found = options.get("decoding_ctc_weight")
        return 0.5 if found is None else float(found)

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse to decode by what the network does not have."""
        share = self._share(options)
        if share == 1.0 and self._ctc_weight == 0.0:
            raise UnsupportedModelError(
                "decoding_ctc_weight=1.0 asks for CTC alone, and the model was trained without it"
            )
        if share == 0.0 and self._ctc_weight == 1.0:
            raise UnsupportedModelError(
                "decoding_ctc_weight=0.0 asks for the decoder alone, and the model has none"
            )

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
            ctc_weight=self._share(options),
            token_bonus=float(options.get("penalty") or 0.0),
            beam_size=int(options.get("beam_size") or 10),
            max_length_ratio=float(options.get("maxlenratio") or 0.0),
            best=int(options.get("nbest") or 1),
            terms=terms.for_engine(),
        )

    def finish(
        self, result: Sequence[Mapping[str, Any]], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Each wanted text as FunASR's ``{"key", "token", "text"}``, the best one first."""
        texts = [ids_to_tokens(one["tokens"], self.tokens, self._skip) for one in result or [_NONE]]
        answers = [
            {"key": key, "token": tokens, "text": sentence_postprocess(tokens).text}
            for tokens in texts
        ]
        return answers[0] if len(answers) == 1 else NBest(answers[0], answers[1:])
