"""The decoder of hybrids of CTC and attention, a token at a time; FunASR's ``TransformerDecoder``.

What its layers need to know of the sound is computed once for an utterance: their keys and values.
Those of the tokens lie in caches, one for each hypothesis, which its operator reads and adds to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from safeasr.nets.layers import FeedForward, Linear, Narrow, Norm
from safeasr.nets.subsampling import Positions

__all__ = ["DecoderMemory", "SoundAttention", "TransformerDecoder"]


class TokenAttention(nn.Module):
    """Attention of each hypothesis' newest token to its tokens."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q = Linear(size, size)
        self.linear_k = Linear(size, size)
        self.linear_v = Linear(size, size)
        self.linear_out = Linear(size, size)

    def forward(
        self, x: Tensor, offsets: Tensor, caches: list[Tensor], spans: Tensor, layer: int
    ) -> Tensor:
        attended = torch.ops.safeasr.ragged_attention(
            self.linear_q(x),
            self.linear_k(x),
            self.linear_v(x),
            self.heads,
            offsets,
            offsets,
            caches,
            spans,
            layer,
        )
        return self.linear_out(attended)


class SoundAttention(nn.Module):
    """Attention of tokens to the utterance's rows.

    Args:
        size: channels.
        heads: parts of them that attend by themselves.
        joint: keys and values come of one layer, as the checkpoint has them.
    """

    def __init__(self, size: int, heads: int, joint: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.linear_q = Linear(size, size)
        if joint:
            self.linear_k_v = Linear(size, 2 * size)
        else:
            self.linear_k = Linear(size, size)
            self.linear_v = Linear(size, size)
        self.linear_out = Linear(size, size)

    def take_keys(self) -> list[nn.Module]:
        """The layers that make keys and values of sound, which are taken away."""
        names = [one for one in ("linear_k_v", "linear_k", "linear_v") if hasattr(self, one)]
        taken = [self.get_submodule(name) for name in names]
        for name in names:
            delattr(self, name)
        return taken

    def forward(
        self, x: Tensor, groups: Tensor, memories: list[Tensor], spans: Tensor, layer: int
    ) -> Tensor:
        q = self.linear_q(x)
        none = q[:0]
        attended = torch.ops.safeasr.ragged_attention(
            q, none, none, self.heads, groups, torch.zeros_like(groups), memories, spans, layer
        )
        return self.linear_out(attended)


class DecoderLayer(nn.Module):
    """Attention to tokens, attention to sound, feed-forward, each behind a norm."""

    def __init__(self, size: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = TokenAttention(size, heads)
        self.src_attn = SoundAttention(size, heads)
        self.feed_forward = FeedForward(size, hidden)
        self.norm1 = Norm(size)
        self.norm2 = Norm(size)
        self.norm3 = Norm(size)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        groups: Tensor,
        memories: list[Tensor],
        memory_spans: Tensor,
        layer: int,
    ) -> Tensor:
        update = self.self_attn(self.norm1(x), offsets, caches, spans, layer)
        x, normed = self.norm2.add(x, update)
        update = self.src_attn(normed, groups, memories, memory_spans, layer)
        x, normed = self.norm3.add(x, update)
        return x + self.feed_forward(normed).float()


class TransformerDecoder(nn.Module):
    """A step of many hypotheses of many utterances.

    Args:
        vocab_size: number of tokens.
        size: channels, the encoder's.
        attention_heads: heads of each layer.
        linear_units: hidden size of the feed-forwards.
        num_blocks: layers.
    """

    def __init__(
        self,
        vocab_size: int,
        size: int,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
    ) -> None:
        super().__init__()
        self.embed = nn.ModuleList([nn.Embedding(vocab_size, size)])
        self.decoders = nn.ModuleList(
            DecoderLayer(size, attention_heads, linear_units) for _ in range(num_blocks)
        )
        self.after_norm = Norm(size, wide=True)
        self.output_layer = Linear(size, vocab_size, wide=True)
        self.size = size
        self.scale = math.sqrt(size)

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        self.positions = Positions(self.size)

    def filters(self) -> tuple[int, int, int]:
        """Its hypotheses are remembered by attention alone."""
        return 0, 0, 0

    def attentions(self) -> list[SoundAttention]:
        """Those to sound."""
        return [layer.src_attn for layer in self.decoders]  # type: ignore[misc]

    def forward(
        self,
        tokens: Tensor,
        numbers: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        groups: Tensor,
        memories: list[Tensor],
        memory_spans: Tensor,
    ) -> Tensor:
        """Log probabilities of the next token of each hypothesis, (n, vocab_size) float32.

        Args:
            tokens: (n,) int64, the newest of each hypothesis; behind them padding.
            numbers: (n,) float32, their places in the texts, from 0.
            offsets: (hypotheses + 1,) int64 on the CPU: 0, 1, 2, ...
            caches: keys and values of the tokens before; see csrc/asr/ops/ragged_attention.h.
            spans: int64 on the CPU, likewise.
            groups: (utterances + 1,) int64 on the CPU, where each utterance's hypotheses begin.
            memories: of each utterance what :class:`DecoderMemory` gives, (layers, 2, rows, size).
            memory_spans: int64 on the CPU.
        """
        x = self.positions(numbers)
        for embed in self.embed:
            x = embed(tokens) * self.scale + x
        for number, layer in enumerate(self.decoders):
            x = layer(x, offsets, caches, spans, groups, memories, memory_spans, number)
        return torch.log_softmax(self.output_layer(self.after_norm(x)), dim=-1)


class DecoderMemory(nn.Module):
    """What a decoder's layers attend to: their keys and values of the encoder's rows."""

    def __init__(self, attentions: Iterable[SoundAttention], size: int) -> None:
        """Take the layers that make them; the decoder has no use for them any more."""
        super().__init__()
        self.size = size
        self.layers = nn.ModuleList(
            nn.ModuleList(attention.take_keys()) for attention in attentions
        )
        self.narrow = Narrow()

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (rows, size) to (layers, 2, rows, size)."""
        made: list[Tensor] = []
        rows = self.narrow(rows)
        for layer in self.layers:
            both: list[Tensor] = []
            for linear in layer:  # type: ignore[attr-defined]
                both.append(linear(rows))
            keys_and_values = torch.cat(both, dim=-1).view(-1, 2, self.size)
            made.append(keys_and_values.transpose(0, 1))
        return torch.stack(made)
