"""SAN-M encoder (Gao et al., 2020, https://arxiv.org/abs/2006.01713); FunASR's ``SANMEncoder``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from safeasr.nets.layers import FeedForward, FsmnMemory, attend, layer_norm, length_mask


def sinusoidal_positions(start: int, count: int, size: int, device: torch.device) -> Tensor:
    """Encodings of positions ``start`` to ``start + count - 1``: (count, size) float32."""
    half = size // 2
    step = math.log(10000.0) / (half - 1)
    rates = torch.exp(torch.arange(half, device=device, dtype=torch.float32) * -step)
    positions = torch.arange(start, start + count, device=device, dtype=torch.float32)
    angles = positions.unsqueeze(1) * rates.unsqueeze(0)
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


class SanmAttention(nn.Module):
    """Self-attention with an FSMN memory on its values."""

    def __init__(self, in_size: int, size: int, heads: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.linear_q_k_v = nn.Linear(in_size, size * 3)
        self.linear_out = nn.Linear(size, size)
        self.fsmn_block = FsmnMemory(size, kernel_size, shift)

    def forward(
        self, x: Tensor, frames: Tensor | None, keys: Tensor | None, residual: Tensor | None
    ) -> Tensor:
        """Attend, remember, and add ``residual``."""
        q, k, v = self.linear_q_k_v(x).split(self.size, dim=-1)
        memory = self.fsmn_block(v, frames, residual)
        return self.linear_out(attend(q, k, v, self.heads, keys)) + memory


class SanmEncoderLayer(nn.Module):
    """Pre-norm layer: SAN-M attention, then feed-forward."""

    def __init__(
        self, in_size: int, size: int, heads: int, hidden: int, kernel_size: int, shift: int
    ) -> None:
        super().__init__()
        self.residual = in_size == size
        self.norm1 = layer_norm(in_size)
        self.self_attn = SanmAttention(in_size, size, heads, kernel_size, shift)
        self.norm2 = layer_norm(size)
        self.feed_forward = FeedForward(size, hidden)

    def forward(self, x: Tensor, frames: Tensor | None, keys: Tensor | None) -> Tensor:
        residual = x if self.residual else None
        x = self.self_attn(self.norm1(x), frames, keys, residual)
        return x + self.feed_forward(self.norm2(x))


class SanmEncoder(nn.Module):
    """Features to hidden vectors, one for each frame.

    Args:
        input_size: feature size.
        output_size: hidden size.
        attention_heads: heads of each layer.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers, the first of which changes the size.
        kernel_size: span of the FSMN memory in frames.
        sanm_shfit: shift of the memory (FunASR's spelling).
        input_layer: "pe" adds sinusoidal positions; None adds nothing.
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
        self.add_positions = input_layer == "pe"

        def layer(in_size: int) -> SanmEncoderLayer:
            return SanmEncoderLayer(
                in_size, output_size, attention_heads, linear_units, kernel_size, sanm_shfit
            )

        self.encoders0 = nn.ModuleList([layer(input_size)])
        self.encoders = nn.ModuleList([layer(output_size) for _ in range(num_blocks - 1)])
        self.after_norm = layer_norm(output_size)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Encode a padded batch.

        Args:
            features: (batch, frames, input_size) float32.
            lengths: (batch,) int64, real frames of each row; at least 1.

        Returns:
            (batch, frames, output_size); rows beyond a length hold numbers of no meaning.
        """
        frames = features.size(1)
        x = features * self.scale
        if self.add_positions:
            x = x + sinusoidal_positions(1, frames, features.size(2), features.device)
        # Without padding, masks would only cost time: they would change nothing.
        keep: Tensor | None = None
        keys: Tensor | None = None
        if int(lengths.min()) < frames:
            mask = length_mask(lengths, frames)
            keep = mask.unsqueeze(2).to(x.dtype)
            keys = mask.unsqueeze(1).unsqueeze(1)
        for layer in self.encoders0:
            x = layer(x, keep, keys)
        for layer in self.encoders:
            x = layer(x, keep, keys)
        return self.after_norm(x)
