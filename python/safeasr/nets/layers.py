"""Layers that several networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def length_mask(lengths: Tensor, max_length: int) -> Tensor:
    """Which frames are real.

    Args:
        lengths: (batch,) int64, frames of each row.
        max_length: frames of the padded batch.

    Returns:
        (batch, max_length) bool, True for real frames.
    """
    return torch.arange(max_length, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


def layer_norm(size: int) -> nn.LayerNorm:
    """LayerNorm with the epsilon that FunASR's transformers use."""
    return nn.LayerNorm(size, eps=1e-12)


class FsmnMemory(nn.Module):
    """FSMN memory block: a depthwise convolution over time plus its input (Zhang et al., 2018).

    Its parameter is called ``taps`` and laid out (kernel, size); in FunASR's checkpoints it is
    ``weight``, (size, 1, kernel).

    Args:
        size: channels.
        kernel_size: frames that the filter spans.
        shift: how many frames further into the past the filter looks than into the future.
    """

    def __init__(self, size: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.empty(kernel_size, size))
        self.left = (kernel_size - 1) // 2 + max(shift, 0)

    def forward(self, x: Tensor, mask: Tensor | None, residual: Tensor | None) -> Tensor:
        """Filter ``x`` (batch, time, size) and add ``residual``, of the same shape.

        ``mask`` is (batch, time, 1), None without padding. The operator is in csrc/asr/fsmn_op.h.
        """
        return torch.ops.safeasr.fsmn_memory(x, self.taps, self.left, mask, residual)


class FeedForward(nn.Module):
    """Position-wise feed-forward: linear, ReLU, linear."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(size, hidden)
        self.w_2 = nn.Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(torch.relu(self.w_1(x)))


class NormedFeedForward(nn.Module):
    """The decoder's feed-forward: linear, ReLU, norm, linear without bias."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = nn.Linear(size, hidden)
        self.norm = layer_norm(hidden)
        self.w_2 = nn.Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(self.norm(torch.relu(self.w_1(x))))


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Multi-head attention over projected queries, keys and values.

    Args:
        q: (batch, queries, size).
        k: (batch, keys, size).
        v: (batch, keys, size).
        heads: number of heads; size is divisible by it.
        mask: (batch, 1, 1, keys) bool, True where attention is allowed, or None.

    Returns:
        (batch, queries, size).
    """
    batch, queries, size = q.shape
    depth = size // heads
    out = F.scaled_dot_product_attention(
        q.view(batch, queries, heads, depth).transpose(1, 2),
        k.view(batch, k.size(1), heads, depth).transpose(1, 2),
        v.view(batch, v.size(1), heads, depth).transpose(1, 2),
        attn_mask=mask,
    )
    return out.transpose(1, 2).reshape(batch, queries, size)
