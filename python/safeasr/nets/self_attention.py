"""Self-attention of an utterance's rows, plain and with relative positions.

FunASR's ``MultiHeadedAttention``, ``RelPositionMultiHeadedAttention`` and
``LegacyRelPositionMultiHeadedAttention``, by operators that know where each utterance begins.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear, Narrow

__all__ = ["RelativeAttention", "SelfAttention"]


class SelfAttention(nn.Module):
    """Every row of an utterance attends to all of its rows."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q = Linear(size, size)
        self.linear_k = Linear(size, size)
        self.linear_v = Linear(size, size)
        self.linear_out = Linear(size, size)

    def forward(self, x: Tensor, offsets: Tensor, encoded: Tensor, firsts: Tensor) -> Tensor:
        """Rows (rows, size) to (rows, size).

        Args:
            x: rows of all utterances one below the other.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.
            encoded: not looked at; as of :class:`RelativeAttention`.
            firsts: likewise.
        """
        q, k, v = self.linear_q(x), self.linear_k(x), self.linear_v(x)
        none: list[Tensor] = []
        attended = torch.ops.safeasr.ragged_attention(
            q, k, v, self.heads, offsets, offsets, none, offsets, 0
        )
        return self.linear_out(attended)


class RelativeAttention(nn.Module):
    """The same, by what rows hold and by how far they are apart.

    Args:
        size: channels.
        heads: parts of them that attend by themselves.
        shifted: distances are read as the first Conformers were trained (FunASR's "legacy"); see
            csrc/kernels/relative_attention_kernel.h.
    """

    def __init__(self, size: int, heads: int, shifted: bool) -> None:
        super().__init__()
        self.heads = heads
        self.shifted = shifted
        self.linear_q = Linear(size, size)
        self.linear_k = Linear(size, size)
        self.linear_v = Linear(size, size)
        self.linear_out = Linear(size, size)
        self.linear_pos = Linear(size, size, bias=False)
        self.narrow = Narrow()
        self.pos_bias_u = nn.Parameter(torch.empty(heads, size // heads))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, size // heads))

    def forward(self, x: Tensor, offsets: Tensor, encoded: Tensor, firsts: Tensor) -> Tensor:
        """Rows (rows, size) to (rows, size).

        Args:
            x: rows of all utterances one below the other.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.
            encoded: (positions, size) float32, encodings of positions.
            firsts: (utterances,) int64 on the CPU, where each utterance's positions begin.
        """
        attended = torch.ops.safeasr.relative_attention(
            self.linear_q(x),
            self.linear_k(x),
            self.linear_v(x),
            self.linear_pos(self.narrow(encoded)),
            self.pos_bias_u,
            self.pos_bias_v,
            self.heads,
            offsets,
            firsts,
            self.shifted,
        )
        return self.linear_out(attended)
