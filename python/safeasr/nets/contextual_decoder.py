"""FunASR's ``ContextualParaformerDecoder``: its last layer attends to hotwords and to sound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.cross_attention import CrossAttention
from safeasr.nets.layers import Linear, Narrow, Norm
from safeasr.nets.sanm_decoder import DecoderLayer, FinalLayer, MemoryLayer

__all__ = ["ContextualDecoder"]


class HotwordAttention(nn.Module):
    """Attention of tokens to hotwords."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.norm3 = Norm(size)
        self.src_attn = CrossAttention(size, heads)

    def forward(
        self, x: Tensor, offsets: Tensor, words: Tensor, rows: Tensor, word_offsets: Tensor
    ) -> Tensor:
        return self.src_attn.chosen(self.norm3(x), offsets, words, rows, word_offsets)


class ContextualDecoder(nn.Module):
    """Token embeddings to token scores.

    Args:
        vocab_size: tokens.
        encoder_output_size: hidden size.
        attention_heads: heads of each attention.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers.
        att_layer_num: how many of them attend to the encoder; the last of these to hotwords too.
        kernel_size: span of the memory in tokens.
        sanm_shfit: shift of the memory (FunASR's spelling); None means half the kernel.
    """

    def __init__(
        self,
        vocab_size: int,
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

        def layer() -> DecoderLayer:
            return DecoderLayer(size, attention_heads, linear_units, kernel_size, shift)

        self.narrow = Narrow()
        self.decoders = nn.ModuleList(layer() for _ in range(att_layer_num - 1))
        self.last_decoder = layer()
        self.bias_decoder = HotwordAttention(size, attention_heads)
        self.bias_output = Linear(size * 2, size, bias=False)
        self.decoders2 = nn.ModuleList(
            MemoryLayer(size, linear_units, kernel_size)
            for _ in range(max(num_blocks - att_layer_num, 0))
        )
        self.decoders3 = nn.ModuleList([FinalLayer(size, linear_units)])
        self.after_norm = Norm(size, wide=True)
        self.output_layer = Linear(size, vocab_size, wide=True)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        words: Tensor,
        rows: Tensor,
        word_offsets: Tensor,
        scales: Tensor,
    ) -> Tensor:
        """Score tokens: (tokens, size) to (tokens, vocab_size), before softmax.

        Args:
            x: embeddings of all utterances' tokens.
            offsets: (utterances + 1,) int64 on the CPU, into the tokens.
            memory: (rows, size), the encoder's output.
            memory_offsets: (utterances + 1,) int64 on the CPU, into its rows.
            words: (words, size), hotwords of all lists.
            rows: (n,) int64, of the words, what each utterance sees, one behind the other.
            word_offsets: (utterances + 1,) int64 on the CPU, into ``rows``.
            scales: (tokens,) float32, how much hotwords count for each token.
        """
        memory, words = self.narrow(memory), self.narrow(words)
        none: list[Tensor] = []
        update = torch.zeros_like(x)
        for layer in self.decoders:
            x, update = layer(
                x, update, offsets, none, none, memory, memory_offsets, none, offsets, 0
            )
        x, query = self.last_decoder.before_attention(x, update, offsets, none, none, 0)
        of_sound = self.last_decoder.src_attn(
            query, offsets, memory, memory_offsets, none, offsets, 0
        )
        of_words = self.bias_decoder(x, offsets, words, rows, word_offsets)
        scaled = (of_words.float() * scales.unsqueeze(1)).to(of_sound.dtype)
        update = self.bias_output(torch.cat([of_sound, scaled], dim=1))
        for layer in self.decoders2:
            x, update = layer(x, update, offsets, none, none, 0)
        for layer in self.decoders3:
            x = layer(x, update)
        return self.output_layer(self.after_norm(x))
