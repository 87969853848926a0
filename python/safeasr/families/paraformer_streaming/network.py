"""The programs of a streaming Paraformer, for one step of many live streams."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["StepDecoderProgram", "StepEncoderProgram"]


class StepEncoderProgram(nn.Module):
    """Features of the new rows to hidden vectors and CIF weights of all rows of the step."""

    def __init__(self, encoder: SanmEncoder, predictor: CifWeights) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        past: Tensor,
        order: Tensor,
        offsets: Tensor,
        neighbours: Tensor,
        caches: list[Tensor],
        spans: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run one step.

        Args:
            features: (new rows, input size), of all streams one below the other.
            positions: (new rows,) float32, their numbers in their streams, from 1.
            past: (old rows, input size), embedded rows of former steps that are run again.
            order: (rows,) int64, the rows of the step as indices into past and features together.
            offsets: (streams + 1,) int64 on the CPU, where each stream's rows begin.
            neighbours: as in CifWeights.
            caches: as in SanmEncoder.
            spans: as in SanmEncoder.

        Returns:
            hidden (rows, size), alphas (rows,), embedded rows (rows, input size).
        """
        x = torch.cat([past, self.encoder.embed(features, positions)]).index_select(0, order)
        hidden = self.encoder(x, offsets, caches, spans)
        return hidden, self.predictor(hidden, neighbours), x


class StepDecoderProgram(nn.Module):
    """Embeddings of new tokens to token ids; arguments as in ParaformerDecoder."""

    def __init__(self, decoder: ParaformerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self,
        embeddings: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        past: list[Tensor],
        next: list[Tensor],
    ) -> Tensor:
        scores = self.decoder(
            embeddings, offsets, memory, memory_offsets, caches, spans, past, next
        )
        # The most probable token needs no softmax.
        return scores.argmax(dim=-1)
