"""FunASR's answers about keywords, and how sure FunASR itself is of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from support.audio import Samples
from support.funasr_model import funasr_model

__all__ = ["KeywordOracle", "same", "spoken"]

#: Of scores, relative: other orders of sums in features and network.
TOLERANCE = 5e-4
#: Changes of the network's scores that FunASR's answer must survive.
_CHANGES, _STEP = 4, 2e-4


def spoken(text: str) -> tuple[str, float]:
    """A result's text as what was detected ("" for nothing) and its score."""
    if text == "rejected":
        return "", 0.0
    detected, word, score = text.split(" ")
    assert detected == "detected"
    return word, float(score)


def same(found: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Whether two results name the same keywords, with scores that rounding explains."""
    if found.keys() != expected.keys():
        return False
    for name in found.keys() & {"text", "text2"}:
        (word, score), (wanted, wanted_score) = spoken(found[name]), spoken(expected[name])
        if word != wanted or abs(score - wanted_score) > TOLERANCE * wanted_score:
            return False
    return found.get("key") == expected.get("key")


class KeywordOracle:
    """A fresh FunASR model, used by one thread, one utterance at a time."""

    def __init__(self, path: Path | str, rate: int = 16000) -> None:
        self.model = funasr_model(model=str(path))
        self.network = self.model.model
        self.rate = rate

    def generate(self, audio: Any, **options: Any) -> list[dict[str, Any]]:
        """FunASR's own ``generate``."""
        kept = audio.copy() if isinstance(audio, np.ndarray) else audio
        answer: list[dict[str, Any]] = self.model.generate(kept, **{"fs": self.rate, **options})
        return answer

    def __call__(
        self, pieces: Samples | Sequence[tuple[Samples, bool]], **options: Any
    ) -> dict[str, Any] | None:
        """Its answer to a recording, or to a stream; None if rounding might decide it."""
        from funasr.utils.kws_utils import KwsCtcPrefixDecoder

        decode = KwsCtcPrefixDecoder.decode
        answers: list[tuple[Any, ...]] = []

        def noted(decoder: Any, x: torch.Tensor) -> Any:
            found = decode(decoder, x)
            rng = torch.Generator().manual_seed(0)
            for _ in range(_CHANGES):
                moved = x + _STEP * x.std() * torch.randn(x.shape, generator=rng)
                answers.append((found[1], decode(decoder, moved)[1]))
            return found

        KwsCtcPrefixDecoder.decode = noted
        try:
            if isinstance(pieces, np.ndarray):
                [result] = self.generate(pieces, **options)
            else:
                cache: dict[str, Any] = {}
                found = [
                    one
                    for samples, last in pieces
                    for one in self.generate(samples, cache=cache, is_final=last, **options)
                ]
                [result] = found or [{"key": "", "text": "rejected"}]
        finally:
            KwsCtcPrefixDecoder.decode = decode
        if any(word != moved for word, moved in answers):
            return None
        return {name: value for name, value in result.items() if name != "key"}
