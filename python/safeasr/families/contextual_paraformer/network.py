"""The decoder program of ContextualParaformer."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.contextual_decoder import ContextualDecoder

__all__ = ["ContextualDecoderProgram"]


class ContextualDecoderProgram(nn.Module):
    """Embeddings of recordings' tokens to token ids."""

    def __init__(self, decoder: ContextualDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self,
        embeddings: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        words: Tensor,
        rows: Tensor,
        word_offsets: Tensor,
        scales: Tensor,
    ) -> Tensor:
        """Most probable tokens (tokens,) int64; arguments as in ContextualDecoder."""
        return self.decoder(
            embeddings, offsets, memory, memory_offsets, words, rows, word_offsets, scales
        ).argmax(dim=-1)
