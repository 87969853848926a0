"""Paraformer's networks, one step of many live streams at a time.

A batch is ragged: the rows of all streams stand one below the other, without padding, and
``offsets`` says where each stream begins. So streams of different chunk sizes and ages share a
batch, and every linear layer reads its weights once for all of them. What a stream keeps from step
to step comes in as tensors; the operators of csrc/asr/chunk_attention.h and ragged_memory.h read
them and write the next state beside them, where nobody looks before the step is taken to be good.

The parameters have FunASR's names (``SANMEncoderChunkOpt``, ``ParaformerSANMDecoder``,
``CifPredictorV2``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from safeasr.nets.layers import FeedForward, FsmnMemory, NormedFeedForward, layer_norm


def encode_positions(positions: Tensor, size: int) -> Tensor:
    """Sinusoidal encodings of frame numbers (rows,) float32, the first being 1: (rows, size)."""
    half = size // 2
    step = math.log(10000.0) / (half - 1)
    rates = torch.exp(torch.arange(half, device=positions.device, dtype=torch.float32) * -step)
    angles = positions.unsqueeze(1) * rates.unsqueeze(0)
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


class ChunkSelfAttention(nn.Module):
    """SAN-M attention of a chunk to itself and to the chunks before it."""

    def __init__(self, in_size: int, size: int, heads: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.linear_q_k_v = nn.Linear(in_size, size * 3)
        self.linear_out = nn.Linear(size, size)
        self.fsmn_block = FsmnMemory(size, kernel_size, shift)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
        residual: Tensor | None,
    ) -> Tensor:
        q, k, v = self.linear_q_k_v(x).split(self.size, dim=-1)
        nothing: list[Tensor] = []
        memory = torch.ops.safeasr.ragged_memory(
            v, self.fsmn_block.taps, self.fsmn_block.left, offsets, residual, nothing, nothing, 0
        )
        attended = torch.ops.safeasr.chunk_attention(
            q, k, v, self.heads, offsets, offsets, caches, spans, layer
        )
        return self.linear_out(attended) + memory


class ChunkEncoderLayer(nn.Module):
    """Pre-norm layer: SAN-M attention, then feed-forward."""

    def __init__(
        self, in_size: int, size: int, heads: int, hidden: int, kernel_size: int, shift: int
    ) -> None:
        super().__init__()
        self.residual = in_size == size
        self.norm1 = layer_norm(in_size)
        self.self_attn = ChunkSelfAttention(in_size, size, heads, kernel_size, shift)
        self.norm2 = layer_norm(size)
        self.feed_forward = FeedForward(size, hidden)

    def forward(
        self, x: Tensor, offsets: Tensor, caches: list[Tensor], spans: Tensor, layer: int
    ) -> Tensor:
        residual = x if self.residual else None
        x = self.self_attn(self.norm1(x), offsets, caches, spans, layer, residual)
        return x + self.feed_forward(self.norm2(x))


class ChunkEncoder(nn.Module):
    """Rows of features to hidden vectors.

    Args:
        input_size: feature size.
        output_size: hidden size.
        attention_heads: heads of each layer.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers, the first of which changes the size.
        kernel_size: span of the FSMN memory in rows.
        sanm_shfit: shift of the memory (FunASR's spelling).
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 256,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        kernel_size: int = 11,
        sanm_shfit: int = 0,
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(output_size)

        def layer(in_size: int) -> ChunkEncoderLayer:
            return ChunkEncoderLayer(
                in_size, output_size, attention_heads, linear_units, kernel_size, sanm_shfit
            )

        self.encoders0 = nn.ModuleList([layer(input_size)])
        self.encoders = nn.ModuleList([layer(output_size) for _ in range(num_blocks - 1)])
        self.after_norm = layer_norm(output_size)

    def embed(self, features: Tensor, positions: Tensor) -> Tensor:
        """Scale and number the rows: features (rows, input_size), positions (rows,) from 1."""
        return features * self.scale + encode_positions(positions, features.size(1))

    def forward(self, x: Tensor, offsets: Tensor, caches: list[Tensor], spans: Tensor) -> Tensor:
        """Encode embedded rows: (rows, input_size) to (rows, output_size).

        Args:
            x: rows of all streams.
            offsets: (streams + 1,) int64 on the CPU, the first row of each stream and the end.
            caches: of each stream its keys and values (layers, 2, capacity, output_size), a ring.
            spans: (streams, 3) int64 on the CPU: start and number of rows in the ring, and how
                many rows of this chunk are written behind them.
        """
        for number, layer in enumerate(self.encoders0):
            x = layer(x, offsets, caches, spans, number)
        for number, layer in enumerate(self.encoders):
            x = layer(x, offsets, caches, spans, number + 1)
        return self.after_norm(x)


class ChunkCifWeights(nn.Module):
    """``CifPredictorV2`` up to its alphas.

    Args:
        idim: hidden size.
        l_order: rows that the convolution sees to the left.
        r_order: rows that it sees to the right.
        smooth_factor: factor on the sigmoid.
        noise_threshold: what is subtracted before the ReLU.
    """

    def __init__(
        self,
        idim: int,
        l_order: int,
        r_order: int,
        smooth_factor: float = 1.0,
        noise_threshold: float = 0.0,
    ) -> None:
        super().__init__()
        self.smooth_factor = smooth_factor
        self.noise_threshold = noise_threshold
        self.cif_conv1d = nn.Conv1d(idim, idim, l_order + r_order + 1)
        self.cif_output = nn.Linear(idim, 1)

    def forward(self, hidden: Tensor, neighbours: Tensor) -> Tensor:
        """Weights (rows,) of hidden vectors (rows, idim).

        Args:
            hidden: rows of all streams.
            neighbours: (rows, l_order + r_order + 1) int64, the rows that the convolution sees,
                counted from 1; 0 where there is none, for a stream ends at its chunk.
        """
        padded = torch.cat([torch.zeros_like(hidden[:1]), hidden])
        seen = padded.index_select(0, neighbours.flatten()).view(hidden.size(0), -1)
        taps = self.cif_conv1d.weight.permute(0, 2, 1).flatten(1)
        x = torch.relu(nn.functional.linear(seen, taps, self.cif_conv1d.bias))
        alphas = torch.sigmoid(self.cif_output(x)).squeeze(1)
        return torch.relu(alphas * self.smooth_factor - self.noise_threshold)


class ChunkCrossAttention(nn.Module):
    """Attention from new tokens to the rows of this chunk and those before."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.linear_q = nn.Linear(size, size)
        self.linear_k_v = nn.Linear(size, size * 2)
        self.linear_out = nn.Linear(size, size)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
    ) -> Tensor:
        k, v = self.linear_k_v(memory).split(self.size, dim=-1)
        attended = torch.ops.safeasr.chunk_attention(
            self.linear_q(x), k, v, self.heads, offsets, memory_offsets, caches, spans, layer
        )
        return self.linear_out(attended)


class ChunkMemory(nn.Module):
    """The decoder's self-attention: an FSMN memory that looks back across chunks."""

    def __init__(self, size: int, kernel_size: int) -> None:
        super().__init__()
        self.fsmn_block = FsmnMemory(size, kernel_size, (kernel_size - 1) // 2)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        residual: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        layer: int,
    ) -> Tensor:
        return torch.ops.safeasr.ragged_memory(
            x, self.fsmn_block.taps, self.fsmn_block.left, offsets, residual, past, next, layer
        )


class ChunkDecoderLayer(nn.Module):
    """Feed-forward, memory, attention to the encoder, in this order."""

    def __init__(self, size: int, heads: int, hidden: int, kernel_size: int) -> None:
        super().__init__()
        self.norm1 = layer_norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)
        self.norm2 = layer_norm(size)
        self.self_attn = ChunkMemory(size, kernel_size)
        self.norm3 = layer_norm(size)
        self.src_attn = ChunkCrossAttention(size, heads)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        memory: Tensor,
        memory_offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
    ) -> Tensor:
        fed = self.norm2(self.feed_forward(self.norm1(x)))
        x = self.self_attn(fed, offsets, x, past, next, layer)
        return x + self.src_attn(
            self.norm3(x), offsets, memory, memory_offsets, caches, spans, layer
        )


class ChunkFinalLayer(nn.Module):
    """The last layer: a feed-forward without residual."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = layer_norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.feed_forward(self.norm1(x))


class ChunkDecoder(nn.Module):
    """Embeddings of new tokens to their scores.

    Args:
        vocab_size: tokens.
        encoder_output_size: hidden size.
        attention_heads: heads of the attention to the encoder.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers; all of them attend to the encoder.
        kernel_size: span of the memory in tokens, odd; it sees the past only.
    """

    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        kernel_size: int = 21,
    ) -> None:
        super().__init__()
        size = encoder_output_size
        self.kernel_size = kernel_size
        self.decoders = nn.ModuleList(
            [
                ChunkDecoderLayer(size, attention_heads, linear_units, kernel_size)
                for _ in range(num_blocks)
            ]
        )
        self.decoders3 = nn.ModuleList([ChunkFinalLayer(size, linear_units)])
        self.after_norm = layer_norm(size)
        self.output_layer = nn.Linear(size, vocab_size)

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
            x: embeddings of all streams' new tokens.
            offsets: (streams + 1,) int64 on the CPU, into the tokens.
            memory: (rows, size), the encoder's output for these streams.
            memory_offsets: (streams + 1,) int64 on the CPU, into the rows.
            caches: of each stream the keys and values of former chunks, as in the encoder.
            spans: (streams, 3) int64 on the CPU, as in the encoder.
            past: of each stream (layers, kernel_size - 1, size), what the memories saw last.
            next: tensors like those of ``past``, which receive what they see now.
        """
        for number, layer in enumerate(self.decoders):
            x = layer(x, offsets, past, next, memory, memory_offsets, caches, spans, number)
        for layer in self.decoders3:
            x = layer(x)
        return self.output_layer(self.after_norm(x))
