"""The encoder program of Paraformers with a ``CifPredictorV3``."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.nets.upsampled_cif import UpsampledCif

__all__ = ["TimedEncoderProgram"]


class TimedEncoderProgram(nn.Module):
    """Features of recordings to hidden vectors, CIF weights, and the finer weights of times."""

    def __init__(self, encoder: SanmEncoder, predictor: CifWeights, head: UpsampledCif) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor
        self.head = head

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode a ragged batch; arguments as in Paraformer's ``EncoderProgram``.

        Returns:
            hidden (rows, size), alphas (rows,), alphas of the head (rows * times,).
        """
        caches: list[Tensor] = []
        x = self.encoder.embed(features, positions)
        hidden = self.encoder(x, offsets, caches, offsets)
        return hidden, self.predictor(hidden, neighbours), self.head(hidden, offsets)
