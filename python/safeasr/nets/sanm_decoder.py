"""Paraformer's non-autoregressive decoder (Gao et al., 2022, https://arxiv.org/abs/2206.08317).

FunASR's ``ParaformerSANMDecoder``, for recordings and for live streams, on ragged rows; see
:mod:`safeasr.nets.sanm_encoder`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.cross_attention import CrossAttention
from safeasr.nets.layers import FsmnMemory, Linear, Narrow, Norm, NormedFeedForward


class MemoryOnly(nn.Module):
    """The decoder's self-attention is an FSMN memory and nothing else."""

    def __init__(self, size: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.fsmn_block = FsmnMemory(size, kernel_size, shift)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        residual: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        layer: int,
    ) -> Tensor:
        return self.fsmn_block(x, offsets, residual, past, next, layer)


class DecoderLayer(nn.Module):
    """Feed-forward, memory, attention to the encoder, in this order."""

    def __init__(self, size: int, heads: int, hidden: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.norm1 = Norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)
        self.norm2 = Norm(size, wide=True)
        self.self_attn = MemoryOnly(size, kernel_size, shift)
        self.norm3 = Norm(size)
        self.src_attn = CrossAttention(size, heads)

    def forward(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        memory: Tensor,
        memory_offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
    ) -> tuple[Tensor, Tensor]:
        """A sum, and what attention adds to it."""
        x, query = self.before_attention(x, update, offsets, past, next, layer)
        attended = self.src_attn(query, offsets, memory, memory_offsets, caches, spans, layer)
        return x, attended

    @torch.jit.export
    def before_attention(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        layer: int,
    ) -> tuple[Tensor, Tensor]:
        """A sum, and what attention looks from."""
        x, normed = self.norm1.add(x, update)
        fed = self.norm2(self.feed_forward(normed))
        x = self.self_attn(fed, offsets, x, past, next, layer)
        return x, self.norm3(x)

    @torch.jit.export
    def chosen(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        memory: Tensor,
        rows: Tensor,
        memory_offsets: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The layer, of recordings, where each sees ``rows`` (n,) of a memory that all share."""
        none: list[Tensor] = []
        x, query = self.before_attention(x, update, offsets, none, none, 0)
        return x, self.src_attn.chosen(query, offsets, memory, rows, memory_offsets)

    @torch.jit.export
    def shares(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        memory: Tensor,
        rows: Tensor,
        memory_offsets: Tensor,
    ) -> Tensor:
        """How much each of ``rows`` would be attended to: (n,)."""
        none: list[Tensor] = []
        _, query = self.before_attention(x, update, offsets, none, none, 0)
        return self.src_attn.shares(query, offsets, memory, rows, memory_offsets)


class MemoryLayer(nn.Module):
    """A decoder layer that does not look at the encoder."""

    def __init__(self, size: int, hidden: int, kernel_size: int, shift: int = 0) -> None:
        super().__init__()
        self.norm1 = Norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)
        self.norm2 = Norm(size, wide=True)
        self.self_attn = MemoryOnly(size, kernel_size, shift)

    def forward(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        layer: int,
    ) -> tuple[Tensor, Tensor]:
        """A sum to which nothing is left to add."""
        x, normed = self.norm1.add(x, update)
        fed = self.norm2(self.feed_forward(normed))
        x = self.self_attn(fed, offsets, x, past, next, layer)
        return x, torch.zeros_like(x)


class FinalLayer(nn.Module):
    """The last layer: a feed-forward without residual."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = Norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)

    def forward(self, x: Tensor, update: Tensor) -> Tensor:
        return self.feed_forward(self.norm1.add(x, update)[1])


class ParaformerDecoder(nn.Module):
    """Token embeddings to token scores.

    Args:
        vocab_size: tokens.
        encoder_output_size: hidden size.
        attention_heads: heads of the attention to the encoder.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers.
        att_layer_num: how many of them attend to the encoder.
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
        self.kernel_size = kernel_size
        self.narrow = Narrow()
        self.decoders = nn.ModuleList(
            [
                DecoderLayer(size, attention_heads, linear_units, kernel_size, shift)
                for _ in range(att_layer_num)
            ]
        )
        self.decoders2 = nn.ModuleList(
            [
                MemoryLayer(size, linear_units, kernel_size)
                for _ in range(max(num_blocks - att_layer_num, 0))
            ]
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
        caches: list[Tensor],
        spans: Tensor,
        past: list[Tensor],
        next: list[Tensor],
    ) -> Tensor:
        """Score tokens: (tokens, size) to (tokens, vocab_size), before softmax.

        Args:
            x: embeddings of all streams' (new) tokens.
            offsets: (streams + 1,) int64 on the CPU, into the tokens.
            memory: (rows, size), the encoder's output for these streams.
            memory_offsets: (streams + 1,) int64 on the CPU, into the rows.
            caches: of each stream the keys and values of former chunks, as in the encoder.
            spans: (streams, 3) int64 on the CPU, as in the encoder.
            past: of each stream (layers, kernel_size - 1, size), what the memories saw last; empty
                for recordings.
            next: tensors like those of ``past``, which receive what they see now.
        """
        return self.output_layer(
            self.hidden(x, offsets, memory, memory_offsets, caches, spans, past, next)
        )

    @torch.jit.export
    def hidden(
        self,
        x: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        past: list[Tensor],
        next: list[Tensor],
    ) -> Tensor:
        """What scores are made from, (tokens, size) float32; arguments as in :meth:`forward`."""
        memory = self.narrow(memory)
        update = torch.zeros_like(x)
        for number, layer in enumerate(self.decoders):
            x, update = layer(
                x, update, offsets, past, next, memory, memory_offsets, caches, spans, number
            )
        for number, layer in enumerate(self.decoders2):
            x, update = layer(x, update, offsets, past, next, len(self.decoders) + number)
        for layer in self.decoders3:
            x = layer(x, update)
        return self.after_norm(x)
