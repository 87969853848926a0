"""Conformer (Gulati et al., 2020, https://arxiv.org/abs/2005.08100) and Transformer encoders.

FunASR's ``ConformerEncoder`` and ``TransformerEncoder``, with the parameter names of its
checkpoints. Layers hand on what is still to be added beside the sum to add it to, so that the next
norm adds and normalises in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from safeasr.nets.batch_norm import scale_and_shift
from safeasr.nets.layers import FeedForward, FsmnMemory, Linear, Norm
from safeasr.nets.self_attention import RelativeAttention, SelfAttention
from safeasr.nets.subsampling import Subsampling

__all__ = [
    "ConformerLayer",
    "LayeredEncoder",
    "RaggedFilter",
    "SwishFeedForward",
    "TransformerLayer",
    "halved",
]


class SwishFeedForward(nn.Module):
    """Position-wise feed-forward: linear, swish, linear."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = Linear(size, hidden)
        self.w_2 = Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.w_1(x)
        return self.w_2(torch.ops.safeasr.gate(hidden, hidden))


class RaggedFilter(nn.Module):
    """A depthwise convolution over each utterance's rows, with as many rows: float32."""

    def __init__(self, weight: Tensor, shift: Tensor, *, add_input: bool = False) -> None:
        """Take its parameters.

        Args:
            weight: filters (channels, kernel) of odd kernel.
            shift: (channels,), added to each channel.
            add_input: add the rows themselves too.
        """
        super().__init__()
        taps = weight.detach().t().clone()
        if not add_input:  # which the memory does
            taps[taps.size(0) // 2] -= 1
        self.memory = FsmnMemory(taps.size(1), taps.size(0), 0)
        self.memory.taps = nn.Parameter(taps.contiguous())
        self.shift = nn.Parameter(shift.detach().clone())

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        """Rows (rows, channels) to (rows, channels) float32."""
        nothing: list[Tensor] = []
        return self.memory(x, offsets, None, nothing, nothing, 0) + self.shift


class ConvolutionModule(nn.Module):
    """The convolution module of a Conformer.

    Built, it has the parameters of checkpoints; :meth:`fold` makes layers of them.
    """

    __constants__ = ("swish",)

    def __init__(self, size: int, kernel: int, swish: bool) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(size, 2 * size, 1)
        self.depthwise_conv = nn.Conv1d(size, size, kernel, groups=size)
        self.norm = nn.BatchNorm1d(size)
        self.pointwise_conv2 = nn.Conv1d(size, size, 1)
        self.size = size
        self.swish = swish

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        self.into = _linear_of(self.pointwise_conv1)
        self.out = _linear_of(self.pointwise_conv2)
        scale, shift = scale_and_shift(self.norm)
        assert self.depthwise_conv.bias is not None
        self.filter = RaggedFilter(
            self.depthwise_conv.weight.detach().squeeze(1) * scale[:, None],
            self.depthwise_conv.bias.detach() * scale + shift,
        )
        del self.pointwise_conv1, self.depthwise_conv, self.norm, self.pointwise_conv2

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        value, gate = self.into(x).split(self.size, dim=-1)
        filtered = self.filter(torch.ops.safeasr.gate(value, gate), offsets)
        if self.swish:
            filtered = torch.ops.safeasr.gate(filtered, filtered)
        else:
            filtered = torch.relu(filtered)
        return self.out(filtered.to(x.dtype))


def _linear_of(conv: nn.Conv1d) -> Linear:
    """A convolution of single rows as a linear layer."""
    made = Linear(conv.in_channels, conv.out_channels, bias=conv.bias is not None)
    made.weight = nn.Parameter(conv.weight.detach().squeeze(2).contiguous())
    if conv.bias is not None:
        made.bias = nn.Parameter(conv.bias.detach().clone())
    return made


def halved(feed_forward: FeedForward | SwishFeedForward) -> None:
    """Let a feed-forward give half of what it gave, to the bit."""
    out = feed_forward.w_2
    out.weight = nn.Parameter(out.weight.detach() * 0.5)
    out.bias = nn.Parameter(out.bias.detach() * 0.5)


class ConformerLayer(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward, norm.

    Args:
        size: channels.
        attention: of the layer.
        hidden: size of the feed-forwards.
        kernel: rows that the convolution spans; 0: there is none, and no norm at the end.
        macaron: there are two feed-forwards, which count by half each.
        swish: their activation, and the convolution's; otherwise ReLU.
    """

    __constants__ = ("macaron", "convolves")

    def __init__(
        self,
        size: int,
        attention: SelfAttention | RelativeAttention,
        hidden: int,
        kernel: int,
        macaron: bool,
        swish: bool,
    ) -> None:
        super().__init__()
        feed_forward = SwishFeedForward if swish else FeedForward
        self.macaron = macaron
        self.convolves = kernel > 0
        if macaron:
            self.feed_forward_macaron = feed_forward(size, hidden)
            self.norm_ff_macaron = Norm(size)
        self.self_attn = attention
        self.norm_mha = Norm(size)
        if kernel > 0:
            self.conv_module = ConvolutionModule(size, kernel, swish)
            self.norm_conv = Norm(size)
            self.norm_final = Norm(size, wide=True)
        self.feed_forward = feed_forward(size, hidden)
        self.norm_ff = Norm(size)

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        if self.convolves:
            self.conv_module.fold()
        if self.macaron:
            halved(self.feed_forward_macaron)
            halved(self.feed_forward)

    def forward(self, x: Tensor, offsets: Tensor, encoded: Tensor, firsts: Tensor) -> Tensor:
        if self.macaron:
            update = self.feed_forward_macaron(self.norm_ff_macaron(x))
            x, normed = self.norm_mha.add(x, update)
        else:
            normed = self.norm_mha(x)
        update = self.self_attn(normed, offsets, encoded, firsts)
        if self.convolves:
            x, normed = self.norm_conv.add(x, update)
            x, normed = self.norm_ff.add(x, self.conv_module(normed, offsets))
            return self.norm_final.add(x, self.feed_forward(normed))[1]
        else:  # TorchScript looks at one branch only, if it is an else
            x, normed = self.norm_ff.add(x, update)
            return x + self.feed_forward(normed).float()


class TransformerLayer(nn.Module):
    """Attention, then feed-forward, each behind a norm."""

    def __init__(self, size: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(size, heads)
        self.feed_forward = FeedForward(size, hidden)
        self.norm1 = Norm(size)
        self.norm2 = Norm(size)

    def fold(self) -> None:
        """Nothing to do."""

    def forward(self, x: Tensor, offsets: Tensor, encoded: Tensor, firsts: Tensor) -> Tensor:
        x, normed = self.norm2.add(x, self.self_attn(self.norm1(x), offsets, encoded, firsts))
        return x + self.feed_forward(normed).float()


class LayeredEncoder(nn.Module):
    """Features to hidden rows.

    Args:
        embed: what comes before the layers.
        layers: of one kind, each with a method ``fold``.
        size: channels.
    """

    def __init__(self, embed: Subsampling, layers: Sequence[nn.Module], size: int) -> None:
        super().__init__()
        self.embed = embed
        self.encoders = nn.ModuleList(layers)
        self.after_norm = Norm(size, wide=True)
        self.size = size

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        self.embed.fold()
        for layer in self.encoders:
            layer.fold()  # type: ignore[operator]

    def forward(
        self,
        features: Tensor,
        starts: list[Tensor],
        numbers: Tensor,
        offsets: Tensor,
        positions: Tensor,
        firsts: Tensor,
    ) -> Tensor:
        """Encode a ragged batch; what it takes: csrc/asr/subsampled_batch.h.

        Returns:
            (rows, size) float32.
        """
        x = self.embed(features, starts, numbers)
        encoded = self.embed.encoded(positions)
        for layer in self.encoders:
            x = layer(x, offsets, encoded, firsts)
        return self.after_norm(x)
