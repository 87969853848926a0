"""The programs of hybrids of CTC and attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.ctc_head import CtcHead
from safeasr.nets.transformer_decoder import DecoderMemory

__all__ = ["HybridEncoder"]


class HybridEncoder(nn.Module):
    """From features to what the search needs of the sound.

    Args:
        encoder: with its weights.
        ctc: None in networks that were trained without.
        memory: None in networks without a decoder.
    """

    __constants__ = ("has_ctc", "has_memory")

    def __init__(
        self, encoder: nn.Module, ctc: CtcHead | None, memory: DecoderMemory | None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.has_ctc = ctc is not None
        self.has_memory = memory is not None
        if ctc is not None:
            self.ctc = ctc
        if memory is not None:
            self.memory = memory

    def forward(
        self,
        features: Tensor,
        starts: list[Tensor],
        numbers: Tensor,
        offsets: Tensor,
        positions: Tensor,
        firsts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Encode a ragged batch; its inputs: csrc/asr/subsampled_batch.h.

        Returns:
            log probabilities (rows, vocabulary) float32, or (rows, 0) without CTC; what the
            decoder's layers attend to, (layers, 2, rows, size), no layers without a decoder.
        """
        rows = self.encoder(features, starts, numbers, offsets, positions, firsts)
        if self.has_ctc:
            log_probs = self.ctc(rows)
        else:
            log_probs = torch.empty([rows.size(0), 0], device=rows.device)
        if self.has_memory:
            memory = self.memory(rows)
        else:
            memory = torch.empty([0, 2, rows.size(0), rows.size(1)], device=rows.device)
        return log_probs, memory
