"""FunASR's ``SanmKWS``: a SAN-M encoder and a CTC head."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.ctc_candidates import CtcCandidates
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["SanmKwsNetwork"]


class SanmKwsNetwork(nn.Module):
    """Features of recordings to the candidates of their rows."""

    def __init__(self, encoder: SanmEncoder, candidates: CtcCandidates) -> None:
        super().__init__()
        self.encoder = encoder
        self.candidates = candidates

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The candidates of each row of a ragged batch.

        Args:
            features: (rows, input size) float32, of all utterances one below the other.
            positions: (rows,) float32, numbers of the rows in their utterances, from 1.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.

        Returns:
            probabilities (rows, 3) float32 and ids (rows, 3) int64, best first.
        """
        caches: list[Tensor] = []
        x = self.encoder.embed(features, positions)
        return self.candidates(self.encoder(x, offsets, caches, offsets))
