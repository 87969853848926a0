"""SeACo-Paraformer's second decoder (Shi et al., 2023, https://arxiv.org/abs/2308.03266).

FunASR's ``ParaformerSANMDecoder`` once more, whose memory are hotwords in place of sound. A word is
a row, and utterances name the rows that they see, so that lists that many utterances share are
projected once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Narrow, Norm
from safeasr.nets.sanm_decoder import DecoderLayer, FinalLayer, MemoryLayer

__all__ = ["SCORING_LAYER", "BiasDecoder"]

#: The layer by whose attention FunASR chooses among many hotwords (``forward_asf6``).
SCORING_LAYER = 5


class BiasDecoder(nn.Module):
    """Rows of tokens to what hotwords make of them.

    Args:
        encoder_output_size: hidden size.
        attention_heads: heads of the attention to the hotwords.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers.
        att_layer_num: how many of them attend to the hotwords; more than :data:`SCORING_LAYER`.
        kernel_size: span of the memory in tokens.
        sanm_shfit: shift of the memory (FunASR's spelling); None means half the kernel.
    """

    def __init__(
        self,
        encoder_output_size: int,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        att_layer_num: int = 6,
        kernel_size: int = 21,
        sanm_shfit: int | None = 0,
    ) -> None:
        super().__init__()
        size = encoder_output_size
        shift = (kernel_size - 1) // 2 if sanm_shfit is None else sanm_shfit
        self.scoring_layer = SCORING_LAYER
        self.narrow = Narrow()
        self.decoders = nn.ModuleList(
            DecoderLayer(size, attention_heads, linear_units, kernel_size, shift)
            for _ in range(att_layer_num)
        )
        self.decoders2 = nn.ModuleList(
            MemoryLayer(size, linear_units, kernel_size)
            for _ in range(max(num_blocks - att_layer_num, 0))
        )
        self.decoders3 = nn.ModuleList([FinalLayer(size, linear_units)])
        self.after_norm = Norm(size, wide=True)

    def forward(
        self, x: Tensor, offsets: Tensor, memory: Tensor, rows: Tensor, memory_offsets: Tensor
    ) -> Tensor:
        """Correct tokens: (tokens, size) to (tokens, size) float32.

        Args:
            x: rows of all utterances' tokens.
            offsets: (utterances + 1,) int64 on the CPU, into the tokens.
            memory: (words, size), hotwords of all lists.
            rows: (n,) int64, of the memory, what each utterance sees, one behind the other.
            memory_offsets: (utterances + 1,) int64 on the CPU, into ``rows``.
        """
        memory = self.narrow(memory)
        none: list[Tensor] = []
        update = torch.zeros_like(x)
        for layer in self.decoders:
            x, update = layer.chosen(x, update, offsets, memory, rows, memory_offsets)  # type: ignore[operator]
        for layer in self.decoders2:
            x, update = layer(x, update, offsets, none, none, 0)
        for layer in self.decoders3:
            x = layer(x, update)
        return self.after_norm(x)

    @torch.jit.export
    def shares(
        self, x: Tensor, offsets: Tensor, memory: Tensor, rows: Tensor, memory_offsets: Tensor
    ) -> Tensor:
        """How much each of ``rows`` is attended to, (n,) float32; arguments as in forward."""
        memory = self.narrow(memory)
        update = torch.zeros_like(x)
        scores = x.new_zeros([0])
        for number, layer in enumerate(self.decoders):
            if number < self.scoring_layer:
                x, update = layer.chosen(x, update, offsets, memory, rows, memory_offsets)  # type: ignore[operator]
            elif number == self.scoring_layer:
                scores = layer.shares(x, update, offsets, memory, rows, memory_offsets)  # type: ignore[operator]
        return scores
