"""The programs of SeACo-Paraformer beside its encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.bias_decoder import BiasDecoder
from safeasr.nets.layers import Linear
from safeasr.nets.sanm_decoder import ParaformerDecoder

__all__ = ["BiasDecoderProgram", "HiddenDecoderProgram"]


class HiddenDecoderProgram(nn.Module):
    """Embeddings of recordings' tokens to token ids, and to what those were made from."""

    def __init__(self, decoder: ParaformerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, embeddings: Tensor, offsets: Tensor, memory: Tensor, memory_offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Most probable tokens (tokens,) int64 and hidden vectors (tokens, size)."""
        none: list[Tensor] = []
        hidden = self.decoder.hidden(
            embeddings, offsets, memory, memory_offsets, none, offsets, none, none
        )
        return self.decoder.output_layer(hidden).argmax(dim=-1), hidden


class BiasDecoderProgram(nn.Module):
    """What hotwords make of tokens; or, with ``filter``, how much each word counts."""

    def __init__(self, decoder: BiasDecoder, output: Linear, no_bias: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.output = output
        self.no_bias = no_bias

    def forward(
        self,
        embeddings: Tensor,
        hidden: Tensor,
        ids: Tensor,
        rows: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_rows: Tensor,
        memory_offsets: Tensor,
        places: Tensor,
        left: Tensor,
        right: Tensor,
        filter: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Correct the tokens of some utterances of a batch.

        Args:
            embeddings: (tokens, size), of all utterances.
            hidden: (tokens, size), the first decoder's.
            ids: (tokens,) int64, what the first decoder says.
            rows: int64, rows of embeddings and hidden vectors, one below the other, that the
                decoder takes.
            offsets: int64 on the CPU, where each utterance's begin among ``rows``.
            memory: (words, size), hotwords.
            memory_rows: int64, of the memory, what each utterance sees.
            memory_offsets: int64 on the CPU, where each utterance's begin among them.
            places: (n,) int64, the tokens that may change.
            left: int64, for each of them what the decoder made of its embedding; and padding.
            right: the same of its hidden vector.
            filter: (1,) bool on the CPU.

        Returns:
            ids (tokens,) int64, and with ``filter`` what each of ``memory_rows`` is attended to,
            float32, else nothing.
        """
        x = torch.cat([embeddings, hidden]).index_select(0, rows)
        if bool(filter):
            return ids, self.decoder.shares(x, offsets, memory, memory_rows, memory_offsets)
        y = self.decoder(x, offsets, memory, memory_rows, memory_offsets)
        merged = y.index_select(0, left) + y.index_select(0, right)
        best = self.output(merged).argmax(dim=-1)[: places.size(0)]
        # One token of the vocabulary says that no hotword is meant.
        chosen = torch.where(best == self.no_bias, ids.index_select(0, places), best)
        return ids.index_copy(0, places, chosen), x.new_zeros([0])
