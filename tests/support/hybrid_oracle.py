"""FunASR's answers of CTC networks and hybrids, and whether FunASR is sure of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from support.audio import Samples
from support.funasr_model import funasr_model

__all__ = ["HybridOracle"]

#: Share of a recording's loudness: what must not change an answer that is compared.
NOISE = 1e-5


class HybridOracle:
    """A FunASR model, used by one thread, that forgets the options of the call before."""

    def __init__(self, path: Path) -> None:
        self.model = funasr_model(model=str(path))

    def __call__(self, clip: Samples, **options: Any) -> list[dict[str, Any]]:
        """Its results, keys left out."""
        self.model.model.beam_search = None  # or the first call's would serve all later ones
        results = self.model.generate(clip.copy(), key="k", **options)
        return [dict(one) for one in results]

    def decided(self, clip: Samples, **options: Any) -> list[dict[str, Any]] | None:
        """Its results, or None where they hang on the rounding of features."""
        expected = self(clip, **options)
        noise = np.random.default_rng(1).standard_normal(len(clip)).astype(np.float32)
        moved = self(clip + NOISE * clip.std() * noise, **options)
        return expected if moved == expected else None
