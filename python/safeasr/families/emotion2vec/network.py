"""emotion2vec's parameters, named as in FunASR's checkpoints, and the blocks that run as they are.

"emotion2vec: Self-Supervised Pre-Training for Speech Emotion Representation",
https://arxiv.org/abs/2312.15185; the network is data2vec 2.0's (https://arxiv.org/abs/2212.07525).
Convolutions here are parameters only; :mod:`safeasr.families.emotion2vec.rows` computes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear, Narrow, Norm

__all__ = ["Audio", "Block", "Emotion2vec", "Sizes"]

EPSILON = 1e-5


@dataclass(frozen=True)
class Sizes:
    """What config.yaml says of the network.

    Attributes:
        convolutions: channels, kernel and stride of each layer over the samples.
        size: of a frame.
        heads: of attention.
        hidden: of the feed-forward.
        first_blocks: in the audio encoder.
        blocks: behind it.
        extra_tokens: rows beside an utterance's frames, which are learned.
        position_layers: convolutions that tell frames where they stand.
        position_kernel: frames that each of them spans.
        position_groups: their groups of channels.
        alibi: shape of the learned scales of distance, or None where distance does not count.
        alibi_heads: heads in which it counts, from the first on.
        labels: emotions; 0: embeddings only.
        epsilon: of the blocks' norms.
    """

    convolutions: tuple[tuple[int, int, int], ...]
    size: int
    heads: int
    hidden: int
    first_blocks: int
    blocks: int
    extra_tokens: int
    position_layers: int
    position_kernel: int
    position_groups: int
    alibi: tuple[int, ...] | None
    alibi_heads: int
    labels: int
    epsilon: float


class Attention(nn.Module):
    """Self-attention whose scores fall with distance."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.size = size
        self.heads = heads
        self.qkv = Linear(size, 3 * size)
        self.proj = Linear(size, size)

    def forward(self, x: Tensor, offsets: Tensor, places: Tensor, slopes: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split(self.size, dim=-1)
        attended = torch.ops.safeasr.alibi_attention(q, k, v, self.heads, offsets, places, slopes)
        return self.proj(attended)


class FeedForward(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(size, hidden)
        self.fc2 = Linear(hidden, size)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.ops.safeasr.gelu_(self.fc1(x)))


class Block(nn.Module):
    """Attention and feed-forward, each with a norm of the sum behind it."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1 = Norm(sizes.size, wide=True, epsilon=sizes.epsilon)
        self.attn = Attention(sizes.size, sizes.heads)
        self.norm2 = Norm(sizes.size, wide=True, epsilon=sizes.epsilon)
        self.mlp = FeedForward(sizes.size, sizes.hidden)
        self.narrow = Narrow()

    def forward(self, x: Tensor, offsets: Tensor, places: Tensor, slopes: Tensor) -> Tensor:
        """Rows (rows, size) float32 to the same.

        ``offsets``, ``places`` and ``slopes``: see csrc/asr/ops/ragged_attention.h.
        """
        x = self.norm1.add(x, self.attn(self.narrow(x), offsets, places, slopes))[1]
        return self.norm2.add(x, self.mlp(self.narrow(x)))[1]


class _LocalEncoder(nn.Module):
    """Convolutions over samples, each with a norm of its channels behind it."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        inputs = (1, *(channels for channels, _, _ in sizes.convolutions))
        self.conv_layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "0": nn.Conv1d(before, channels, kernel, stride, bias=False),
                    "2": nn.ModuleDict({"1": Norm(channels, epsilon=EPSILON)}),
                }
            )
            for before, (channels, kernel, stride) in zip(inputs, sizes.convolutions, strict=False)
        )


class _Blocks(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.first_blocks))
        self.norm = Norm(sizes.size, wide=True, epsilon=sizes.epsilon)


class Audio(nn.Module):
    """From samples to rows, and the first blocks."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        channels, size = sizes.convolutions[-1][0], sizes.size
        self.local_encoder = _LocalEncoder(sizes)
        self.project_features = nn.ModuleDict(
            {
                "1": Norm(channels, wide=True, epsilon=EPSILON),
                "2": Linear(channels, size, wide=True),
            }
        )
        positions = sizes.position_kernel, sizes.position_groups
        self.relative_positional_encoder = nn.ModuleDict(
            {
                str(number + 1): nn.ModuleDict(
                    {"0": nn.Conv1d(size, size, positions[0], groups=positions[1])}
                )
                for number in range(sizes.position_layers)
            }
        )
        self.context_encoder = _Blocks(sizes)
        self.extra_tokens = nn.Parameter(torch.empty(1, sizes.extra_tokens, size))
        if sizes.alibi is not None:
            self.alibi_scale = nn.Parameter(torch.empty(sizes.alibi))


class Emotion2vec(nn.Module):
    """All parameters that answers depend on."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.modality_encoders = nn.ModuleDict({"AUDIO": Audio(sizes)})
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.blocks))
        if sizes.labels:
            self.proj = nn.Linear(sizes.size, sizes.labels)
