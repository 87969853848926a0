"""SAN-M encoder (Gao et al., 2020, https://arxiv.org/abs/2006.01713).

FunASR's ``SANMEncoder`` for recordings and ``SANMEncoderChunkOpt`` for live streams: the same
layers, which see former chunks of a stream through its cache, and recordings have none. What a
stream keeps comes in as tensors; the operators of csrc/asr/ops/ragged_attention.h read them and
write the next state beside them, where nobody looks before the step is taken to be good.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from safeasr.nets.layers import FeedForward, FsmnMemory, Linear, Norm


class SanmAttention(nn.Module):
    """Self-attention with an FSMN memory on its values."""

    def __init__(self, in_size: int, size: int, heads: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.linear_q_k_v = Linear(in_size, size * 3)
        self.linear_out = Linear(size, size)
        self.fsmn_block = FsmnMemory(size, kernel_size, shift)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
        residual: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """What the memory gives with ``residual`` added, and what attention adds to it."""
        q, k, v = self.linear_q_k_v(x).split(self.size, dim=-1)
        nothing: list[Tensor] = []
        memory = self.fsmn_block(v, offsets, residual, nothing, nothing, 0)
        attended = torch.ops.safeasr.ragged_attention(
            q, k, v, self.heads, offsets, offsets, caches, spans, layer
        )
        return memory, self.linear_out(attended)


class SanmEncoderLayer(nn.Module):
    """Pre-norm layer: SAN-M attention, then feed-forward.

    A layer hands on what its feed-forward adds beside the sum to add it to, so that the next norm
    adds and normalises in one pass.
    """

    def __init__(
        self, in_size: int, size: int, heads: int, hidden: int, kernel_size: int, shift: int
    ) -> None:
        super().__init__()
        self.residual = in_size == size
        self.norm1 = Norm(in_size)
        self.self_attn = SanmAttention(in_size, size, heads, kernel_size, shift)
        self.norm2 = Norm(size)
        self.feed_forward = FeedForward(size, hidden)

    def forward(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
    ) -> tuple[Tensor, Tensor]:
        x, normed = self.norm1.add(x, update)
        return self._rest(x, normed, offsets, caches, spans, layer)

    @torch.jit.export
    def first(
        self, x: Tensor, offsets: Tensor, caches: list[Tensor], spans: Tensor, layer: int
    ) -> tuple[Tensor, Tensor]:
        """The layer where nothing is left to add."""
        return self._rest(x, self.norm1(x), offsets, caches, spans, layer)

    def _rest(
        self,
        x: Tensor,
        normed: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
    ) -> tuple[Tensor, Tensor]:
        residual = x if self.residual else None
        memory, update = self.self_attn(normed, offsets, caches, spans, layer, residual)
        x, normed = self.norm2.add(memory, update)
        return x, self.feed_forward(normed)


class SanmEncoder(nn.Module):
    """Rows of features to hidden vectors.

    Args:
        input_size: feature size.
        output_size: hidden size.
        attention_heads: heads of each layer.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers, the first of which changes the size.
        kernel_size: span of the FSMN memory in rows.
        sanm_shfit: shift of the memory (FunASR's spelling).
        input_layer: "pe" or "pe_online" adds sinusoidal positions; None adds nothing.
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
        input_layer: str | None = "pe",
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(output_size)
        self.size = output_size
        self.add_positions = input_layer is not None

        def layer(in_size: int) -> SanmEncoderLayer:
            return SanmEncoderLayer(
                in_size, output_size, attention_heads, linear_units, kernel_size, sanm_shfit
            )

        self.encoders0 = nn.ModuleList([layer(input_size)])
        self.encoders = nn.ModuleList([layer(output_size) for _ in range(num_blocks - 1)])
        self.after_norm = Norm(output_size, wide=True)

    @torch.jit.export
    def embed(self, features: Tensor, positions: Tensor) -> Tensor:
        """Scale and number the rows: features (rows, input_size), positions (rows,) from 1."""
        scaled = features * self.scale
        if self.add_positions:
            return scaled + torch.ops.safeasr.encode_positions(positions, features.size(1))
        return scaled

    def forward(self, x: Tensor, offsets: Tensor, caches: list[Tensor], spans: Tensor) -> Tensor:
        """Encode embedded rows: (rows, input_size) to (rows, output_size) float32.

        Args:
            x: rows of all utterances or streams.
            offsets: (streams + 1,) int64 on the CPU, the first row of each stream and the end.
            caches: of each stream its keys and values (layers, 2, capacity, output_size), a ring;
                an empty list for recordings.
            spans: (streams, 3) int64 on the CPU: start and number of rows in the ring, and how
                many rows of this chunk are written behind them.
        """
        update = x
        for number, layer in enumerate(self.encoders0):
            x, update = layer.first(x, offsets, caches, spans, number)  # type: ignore[operator]
        for number, layer in enumerate(self.encoders):
            x, update = layer(x, update, offsets, caches, spans, number + 1)
        return self.after_norm.add(x, update)[1]
