"""FunASR's ``SanmKWSStreaming``: one window of many live streams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.ctc_candidates import CtcCandidates
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["SanmKwsWindow"]


class SanmKwsWindow(nn.Module):
    """Features of the new rows to the candidates of all rows of the window."""

    def __init__(self, encoder: SanmEncoder, candidates: CtcCandidates) -> None:
        super().__init__()
        self.encoder = encoder
        self.candidates = candidates

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        past: Tensor,
        order: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one window of each stream.

        Args:
            features: (new rows, input size), of all streams one below the other.
            positions: (new rows,) float32, their numbers in their streams, from 1.
            past: (old rows, input size), embedded rows of former windows that are run again.
            order: (rows,) int64, the rows of the windows as indices into past and features
                together.
            offsets: (streams + 1,) int64 on the CPU, where each stream's rows begin.
            caches: as in SanmEncoder.
            spans: as in SanmEncoder.

        Returns:
            probabilities (rows, 3) float32 and ids (rows, 3) int64, best first; embedded rows
            (rows, input size).
        """
        x = torch.cat([past, self.encoder.embed(features, positions)]).index_select(0, order)
        best = self.candidates(self.encoder(x, offsets, caches, spans))
        return best[0], best[1], x
