"""The programs of Paraformer, for recordings."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["DecoderProgram", "EncoderProgram"]


class EncoderProgram(nn.Module):
    """Features of recordings to hidden vectors and CIF weights."""

    def __init__(self, encoder: SanmEncoder, predictor: CifWeights) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode a ragged batch.

        Args:
            features: (rows, input size), of all utterances one below the other.
            positions: (rows,) float32, numbers of the rows in their utterances, from 1.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin. Rows
                behind the last utterance's are padding.
            neighbours: (rows, span) int64, as in CifWeights.

        Returns:
            hidden (rows, size), alphas (rows,).
        """
        caches: list[Tensor] = []
        x = self.encoder.embed(features, positions)
        hidden = self.encoder(x, offsets, caches, offsets)
        return hidden, self.predictor(hidden, neighbours)


class DecoderProgram(nn.Module):
    """Embeddings of recordings' tokens to token ids."""

    def __init__(self, decoder: ParaformerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, embeddings: Tensor, offsets: Tensor, memory: Tensor, memory_offsets: Tensor
    ) -> Tensor:
        """Most probable tokens (tokens,) int64; arguments as in ParaformerDecoder."""
        none: list[Tensor] = []
        scores = self.decoder(
            embeddings, offsets, memory, memory_offsets, none, offsets, none, none
        )
        # The most probable token needs no softmax.
        return scores.argmax(dim=-1)
