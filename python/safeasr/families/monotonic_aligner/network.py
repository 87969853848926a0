"""MonotonicAligner's program."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.nets.upsampled_cif import UpsampledCif

__all__ = ["AlignerProgram"]


class AlignerProgram(nn.Module):
    """Features of recordings to the finer weights of times."""

    def __init__(self, encoder: SanmEncoder, head: UpsampledCif) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, features: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        """Weights (rows, steps of a row) of a ragged batch.

        Args:
            features: (rows, input size), of all recordings one below the other.
            positions: (rows,) float32, numbers of the rows in their recordings, from 1.
            offsets: (recordings + 1,) int64 on the CPU, where each one's rows begin.
        """
        caches: list[Tensor] = []
        x = self.encoder.embed(features, positions)
        hidden = self.encoder(x, offsets, caches, offsets)
        return self.head(hidden, offsets).view(features.size(0), -1)
