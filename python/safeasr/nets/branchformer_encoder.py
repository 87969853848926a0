"""Encoders with a branch of attention beside one of convolution.

Branchformer (Peng et al., 2022, https://arxiv.org/abs/2207.02971) and E-Branchformer (Kim et al.,
2022, https://arxiv.org/abs/2210.00077); FunASR's ``BranchformerEncoder`` and
``EBranchformerEncoder``, with the parameter names of its checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.conformer_encoder import RaggedFilter, SwishFeedForward, halved
from safeasr.nets.layers import FeedForward, Linear, Norm
from safeasr.nets.self_attention import RelativeAttention, SelfAttention

__all__ = ["BranchformerLayer", "EBranchformerLayer", "GatingMlp"]


def _filter_of(conv: nn.Conv1d, *, add_input: bool = False) -> RaggedFilter:
    assert conv.bias is not None
    return RaggedFilter(conv.weight.squeeze(1), conv.bias, add_input=add_input)


class GatingUnit(nn.Module):
    """Half of the channels, multiplied by what the other half becomes over time."""

    __constants__ = ("with_linear",)

    def __init__(self, size: int, kernel: int, linear: bool) -> None:
        super().__init__()
        self.kept = size // 2
        self.norm = Norm(self.kept)
        self.conv = nn.Conv1d(self.kept, self.kept, kernel, groups=self.kept)
        self.with_linear = linear
        if linear:
            self.linear = Linear(self.kept, self.kept)

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        self.filter = _filter_of(self.conv)
        del self.conv

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        value, gate = torch.split(x, self.kept, dim=-1)
        gate = self.filter(self.norm(gate.contiguous()), offsets)
        if self.with_linear:
            return (value * self.linear(gate.to(x.dtype)).float()).to(x.dtype)
        else:  # TorchScript looks at one branch only, if it is an else
            return (value * gate).to(x.dtype)


class GatingMlp(nn.Module):
    """A feed-forward that is gated by a convolution (Sakuma et al., 2022).

    Args:
        size: channels.
        hidden: channels within.
        kernel: rows that the convolution spans.
        linear: a linear layer follows the convolution.
    """

    def __init__(self, size: int, hidden: int, kernel: int, linear: bool) -> None:
        super().__init__()
        self.channel_proj1 = nn.ModuleList([Linear(size, hidden)])
        self.csgu = GatingUnit(hidden, kernel, linear)
        self.channel_proj2 = Linear(hidden // 2, size)

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        for layer in self.channel_proj1:
            x = torch.ops.safeasr.gelu_(layer(x))
        return self.channel_proj2(self.csgu(x, offsets))


class BranchformerLayer(nn.Module):
    """Two branches side by side, merged by a linear layer.

    Args:
        size: channels.
        attention: of the first branch.
        gating: the second branch.
        share: of the second branch in the mean of both; None: they stand side by side.
    """

    __constants__ = ("side_by_side", "share")

    def __init__(
        self,
        size: int,
        attention: SelfAttention | RelativeAttention,
        gating: GatingMlp,
        share: float | None,
    ) -> None:
        super().__init__()
        self.attn = attention
        self.cgmlp = gating
        self.norm_mha = Norm(size)
        self.norm_mlp = Norm(size)
        self.norm_final = Norm(size, wide=True)
        self.merge_proj = Linear(2 * size if share is None else size, size)
        self.side_by_side = share is None
        self.share = 0.0 if share is None else share

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        self.cgmlp.csgu.fold()

    def forward(self, x: Tensor, offsets: Tensor, encoded: Tensor, firsts: Tensor) -> Tensor:
        one = self.attn(self.norm_mha(x), offsets, encoded, firsts)
        other = self.cgmlp(self.norm_mlp(x), offsets)
        if self.side_by_side:
            both = torch.cat([one, other], dim=-1)
        else:
            both = ((1.0 - self.share) * one.float() + self.share * other.float()).to(one.dtype)
        return self.norm_final.add(x, self.merge_proj(both))[1]


class EBranchformerLayer(nn.Module):
    """Two branches, merged by a convolution, perhaps between two halves of a feed-forward.

    Args:
        size: channels.
        attention: of the first branch.
        gating: the second branch.
        kernel: rows that the merging convolution spans.
        hidden: size of the feed-forwards; 0: there are none.
        macaron: there are two, which count by half each.
        swish: their activation; otherwise ReLU.
    """

    __constants__ = ("feeds", "macaron")

    def __init__(
        self,
        size: int,
        attention: SelfAttention | RelativeAttention,
        gating: GatingMlp,
        kernel: int,
        hidden: int,
        macaron: bool,
        swish: bool,
    ) -> None:
        super().__init__()
        feed_forward = SwishFeedForward if swish else FeedForward
        self.feeds = hidden > 0
        self.macaron = macaron and hidden > 0
        self.attn = attention
        self.cgmlp = gating
        if self.feeds:
            self.feed_forward = feed_forward(size, hidden)
            self.norm_ff = Norm(size)
        if self.macaron:
            self.feed_forward_macaron = feed_forward(size, hidden)
            self.norm_ff_macaron = Norm(size)
        self.norm_mha = Norm(size)
        self.norm_mlp = Norm(size)
        self.norm_final = Norm(size, wide=True)
        self.depthwise_conv_fusion = nn.Conv1d(2 * size, 2 * size, kernel, groups=2 * size)
        self.merge_proj = Linear(2 * size, size)

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        self.cgmlp.csgu.fold()
        self.fusion = _filter_of(self.depthwise_conv_fusion, add_input=True)
        del self.depthwise_conv_fusion
        if self.macaron:
            halved(self.feed_forward)
            halved(self.feed_forward_macaron)

    def forward(self, x: Tensor, offsets: Tensor, encoded: Tensor, firsts: Tensor) -> Tensor:
        if self.macaron:
            update = self.feed_forward_macaron(self.norm_ff_macaron(x))
            x, normed = self.norm_mha.add(x, update)
        else:
            normed = self.norm_mha(x)
        one = self.attn(normed, offsets, encoded, firsts)
        both = torch.cat([one, self.cgmlp(self.norm_mlp(x), offsets)], dim=-1)
        update = self.merge_proj(self.fusion(both, offsets).to(both.dtype))
        if self.feeds:
            x, normed = self.norm_ff.add(x, update)
            return self.norm_final.add(x, self.feed_forward(normed))[1]
        else:
            return self.norm_final.add(x, update)[1]
