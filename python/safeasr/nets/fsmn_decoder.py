"""SAN-M's autoregressive decoder (Gao et al., 2020), a token at a time; FunASR's ``FsmnDecoder``.

As Paraformer's, its layers remember tokens by filters, of which each hypothesis has its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear, Norm, NormedFeedForward
from safeasr.nets.sanm_decoder import FinalLayer, MemoryLayer, MemoryOnly
from safeasr.nets.transformer_decoder import SoundAttention

__all__ = ["FsmnDecoder"]


class FsmnLayer(nn.Module):
    """Feed-forward, memory of tokens, attention to sound, in this order."""

    def __init__(self, size: int, heads: int, hidden: int, kernel_size: int) -> None:
        super().__init__()
        self.norm1 = Norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)
        self.norm2 = Norm(size, wide=True)
        self.self_attn = MemoryOnly(size, kernel_size, (kernel_size - 1) // 2)
        self.norm3 = Norm(size)
        self.src_attn = SoundAttention(size, heads, joint=True)

    def forward(
        self,
        x: Tensor,
        update: Tensor,
        offsets: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        groups: Tensor,
        memories: list[Tensor],
        memory_spans: Tensor,
        layer: int,
    ) -> tuple[Tensor, Tensor]:
        """A sum, and what attention adds to it."""
        x, normed = self.norm1.add(x, update)
        fed = self.norm2(self.feed_forward(normed))
        x = self.self_attn(fed, offsets, x, past, next, layer)
        return x, self.src_attn(self.norm3(x), groups, memories, memory_spans, layer)


class FsmnDecoder(nn.Module):
    """A step of many hypotheses of many utterances.

    Args:
        vocab_size: number of tokens.
        size: channels, the encoder's.
        attention_heads: heads of the attention to sound.
        linear_units: hidden size of the feed-forwards.
        num_blocks: layers.
        att_layer_num: how many of them attend to sound, if there are so many.
        kernel_size: tokens that a filter spans, the newest and those before it.
    """

    def __init__(
        self,
        vocab_size: int,
        size: int,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        att_layer_num: int = 6,
        kernel_size: int = 21,
    ) -> None:
        super().__init__()
        self.embed = nn.ModuleList([nn.Embedding(vocab_size, size)])
        self.decoders = nn.ModuleList(
            FsmnLayer(size, attention_heads, linear_units, kernel_size)
            for _ in range(att_layer_num)
        )
        more = max(num_blocks - att_layer_num, 0)
        self.decoders2 = nn.ModuleList(
            MemoryLayer(size, linear_units, kernel_size, (kernel_size - 1) // 2)
            for _ in range(more)
        )
        self.decoders3 = nn.ModuleList([FinalLayer(size, linear_units)])
        self.after_norm = Norm(size, wide=True)
        self.output_layer = Linear(size, vocab_size, wide=True)
        self.remembers = (att_layer_num + more, kernel_size - 1, size)

    def fold(self) -> None:
        """Nothing to do."""

    def filters(self) -> tuple[int, int, int]:
        """Layers, rows and channels of what a hypothesis remembers."""
        return self.remembers

    def attentions(self) -> list[SoundAttention]:
        """Those to sound."""
        return [layer.src_attn for layer in self.decoders]  # type: ignore[misc]

    def forward(
        self,
        tokens: Tensor,
        numbers: Tensor,
        offsets: Tensor,
        past: list[Tensor],
        next: list[Tensor],
        groups: Tensor,
        memories: list[Tensor],
        memory_spans: Tensor,
    ) -> Tensor:
        """Log probabilities of the next token of each hypothesis, (n, vocab_size) float32.

        Args:
            tokens: as of :class:`TransformerDecoder`, and so are all but the following.
            numbers: not looked at.
            offsets: (hypotheses + 1,) int64 on the CPU: 0, 1, 2, ...
            past: of each hypothesis what its filters saw last, (layers, kernel_size - 1, size).
            next: likewise, which receive what they see now.
            groups: (utterances + 1,) int64 on the CPU.
            memories: of each utterance (layers, 2, rows, size).
            memory_spans: int64 on the CPU.
        """
        x = torch.zeros([tokens.size(0), self.after_norm.size], device=tokens.device)
        for embed in self.embed:
            x = x + embed(tokens)
        update = torch.zeros_like(x)
        for number, layer in enumerate(self.decoders):
            x, update = layer(
                x, update, offsets, past, next, groups, memories, memory_spans, number
            )
        for number, layer in enumerate(self.decoders2):
            x, update = layer(x, update, offsets, past, next, len(self.decoders) + number)
        for layer in self.decoders3:
            x = layer(x, update)
        return torch.log_softmax(self.output_layer(self.after_norm(x)), dim=-1)
