"""Attention of a decoder's tokens to rows of something else: of sound, or of hotwords."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear

__all__ = ["CrossAttention"]


class CrossAttention(nn.Module):
    """Attention from tokens to the encoder's rows, of this chunk and of those before."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.linear_q = Linear(size, size)
        self.linear_k_v = Linear(size, size * 2)
        self.linear_out = Linear(size, size)

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
        attended = torch.ops.safeasr.ragged_attention(
            self.linear_q(x), k, v, self.heads, offsets, memory_offsets, caches, spans, layer
        )
        return self.linear_out(attended)

    @torch.jit.export
    def chosen(
        self, x: Tensor, offsets: Tensor, memory: Tensor, rows: Tensor, memory_offsets: Tensor
    ) -> Tensor:
        """Attention to rows of a memory that streams share; ``rows`` (n,) int64 names them."""
        both = self.linear_k_v(memory).index_select(0, rows)
        k, v = both.split(self.size, dim=-1)
        none: list[Tensor] = []
        attended = torch.ops.safeasr.ragged_attention(
            self.linear_q(x), k, v, self.heads, offsets, memory_offsets, none, offsets, 0
        )
        return self.linear_out(attended)

    @torch.jit.export
    def shares(
        self, x: Tensor, offsets: Tensor, memory: Tensor, rows: Tensor, memory_offsets: Tensor
    ) -> Tensor:
        """How much each row of :meth:`chosen` is attended to: (n,), of all heads and queries."""
        keys = self.linear_k_v(memory).split(self.size, dim=-1)[0].index_select(0, rows).float()
        queries = self.linear_q(x).float() * (self.size // self.heads) ** -0.5
        found: list[Tensor] = []
        for i in range(offsets.size(0) - 1):
            q_first, k_first = int(offsets[i]), int(memory_offsets[i])
            q = queries[q_first : int(offsets[i + 1])].view(-1, self.heads, self.size // self.heads)
            k = keys[k_first : int(memory_offsets[i + 1])].view(
                -1, self.heads, self.size // self.heads
            )
            scores = torch.matmul(q.transpose(0, 1), k.permute(1, 2, 0))
            found.append(scores.softmax(dim=-1).sum(0).sum(0))
        return torch.cat(found)
