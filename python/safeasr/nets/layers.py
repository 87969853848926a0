"""Layers that several networks share.

Networks come in two kinds of arithmetic. Built, they compute in float32 throughout. After
:func:`safeasr.nets.precision.narrow` their linear layers take and give bfloat16 or float16, or run
in 8 bit integers, while what adds up over layers stays in float32: residual sums, norms, memories,
softmax.

A batch is ragged: the rows of all utterances (or live streams) stand one below the other without
padding, and ``offsets`` says where each begins. So no linear layer computes padding, and no mask is
needed for one utterance not to see another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Linear(nn.Linear):
    """A linear layer that :func:`safeasr.nets.precision.narrow` may replace.

    Args:
        in_features: size of a row.
        out_features: size of the result.
        bias: whether there is one.
        wide: never replaced; for scores, whose order is the answer.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, wide: bool = False
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.wide = wide

    @torch.jit.export
    def relu(self, x: Tensor) -> Tensor:
        """The layer with a ReLU behind it."""
        return torch.relu(F.linear(x, self.weight, self.bias))


class Norm(nn.Module):
    """LayerNorm, alone or of a sum.

    Args:
        size: channels.
        wide: gives float32 in every precision.
        epsilon: added to the variance; the default is that of FunASR's transformers.
    """

    __constants__ = ("size", "epsilon", "narrow", "float16", "reduced")

    def __init__(self, size: int, wide: bool = False, epsilon: float = 1e-12) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))
        self.bias = nn.Parameter(torch.empty(size))
        self.size = size
        self.epsilon = epsilon
        self.wide = wide
        self.reduced = False  # the linear layers around are
        self.narrow = False
        self.float16 = False  # narrow is float16

    def forward(self, x: Tensor) -> Tensor:
        if self.reduced:
            return torch.ops.safeasr.norm(
                x, self.weight, self.bias, self.epsilon, self.narrow, self.float16
            )
        else:  # TorchScript looks at one branch only, if it is an else
            return F.layer_norm(x, [self.size], self.weight, self.bias, self.epsilon)

    @torch.jit.export
    def add(self, x: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
        """``x + update`` in float32, and its norm."""
        if self.reduced:
            return torch.ops.safeasr.add_norm(
                x, update, self.weight, self.bias, self.epsilon, self.narrow, self.float16
            )
        else:
            total = x + update
            return total, F.layer_norm(total, [self.size], self.weight, self.bias, self.epsilon)


class Narrow(nn.Module):
    """What linear layers take: float32 as it is, or narrower when they are reduced."""

    __constants__ = ("float16", "reduced")

    def __init__(self) -> None:
        super().__init__()
        self.reduced = False
        self.float16 = False

    def forward(self, x: Tensor) -> Tensor:
        if self.float16:
            return x.to(torch.float16)
        elif self.reduced:
            return x.to(torch.bfloat16)
        else:
            return x


class FsmnMemory(nn.Module):
    """FSMN memory block: a depthwise convolution over time plus its input (Zhang et al., 2018).

    Its parameter is called ``taps`` and laid out (kernel, size); in FunASR's checkpoints it is
    ``weight``, (size, 1, kernel).

    Args:
        size: channels.
        kernel_size: rows that the filter spans.
        shift: how many rows further into the past the filter looks than into the future.
    """

    def __init__(self, size: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.empty(kernel_size, size))
        self.left = (kernel_size - 1) // 2 + max(shift, 0)

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        residual: Tensor | None,
        past: list[Tensor],
        next: list[Tensor],
        layer: int,
    ) -> Tensor:
        """Filter rows ``x`` (rows, size) and add ``residual``, of the same shape: float32.

        ``past``, ``next`` and ``layer``: see csrc/asr/ops/ragged_memory.h; empty lists where
        nothing came before.
        """
        return torch.ops.safeasr.ragged_memory(
            x, self.taps, self.left, offsets, residual, past, next, layer
        )


class FeedForward(nn.Module):
    """Position-wise feed-forward: linear, ReLU, linear."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = Linear(size, hidden)
        self.w_2 = Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(self.w_1.relu(x))


class NormedFeedForward(nn.Module):
    """The decoder's feed-forward: linear, ReLU, norm, linear without bias."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.w_1 = Linear(size, hidden)
        self.norm = Norm(hidden)
        self.w_2 = Linear(hidden, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w_2(self.norm(self.w_1.relu(x)))
