"""ERes2NetV2's network: residual blocks of several scales, fused with attention.

"ERes2NetV2: Boosting Short-Duration Speaker Verification Performance with Computational
Efficiency", https://arxiv.org/abs/2406.02167. Parameters are named as in the
checkpoints, but for those of ``joins``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["ERes2NetV2"]


def clipped(x: Tensor) -> Tensor:
    """ReLU with a ceiling."""
    return torch.clamp(x, 0.0, 20.0)


class Fusion(nn.Module):
    """Two maps of channels, weighed by what both show at a place."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        inner = channels // reduction
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        weight = torch.tanh(self.local_att(torch.cat([x, y], dim=1)))
        return x * (1.0 + weight) + y * (1.0 - weight)


class Sum(nn.Module):
    """Two maps of channels, added."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Block(nn.Module):
    """A residual block whose channels are convolved in groups, one after another."""

    def __init__(
        self, inputs: int, planes: int, stride: int, width: int, scale: int, expansion: int
    ) -> None:
        super().__init__()
        outputs = planes * expansion
        self.conv1 = nn.Conv2d(inputs, width * scale, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * scale)
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(scale)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(scale))
        self.conv3 = nn.Conv2d(width * scale, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut.append(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False))
            self.shortcut.append(nn.BatchNorm2d(outputs))
        self.joins = self._joins(width, scale)
        self.width = width

    def _joins(self, width: int, scale: int) -> nn.ModuleList:
        """How a group is joined with the one before it; nothing before the first."""
        return nn.ModuleList(Sum() for _ in range(scale))

    def forward(self, x: Tensor) -> Tensor:
        groups = torch.split(clipped(self.bn1(self.conv1(x))), self.width, dim=1)
        done: list[Tensor] = []
        for i, (conv, norm, join) in enumerate(zip(self.convs, self.bns, self.joins, strict=True)):
            group = groups[i] if i == 0 else join(done[-1], groups[i])
            done.append(clipped(norm(conv(group))))
        return clipped(self.bn3(self.conv3(torch.cat(done, dim=1))) + self.shortcut(x))


class FusedBlock(Block):
    """The same, with groups joined by attention."""

    def _joins(self, width: int, scale: int) -> nn.ModuleList:
        return nn.ModuleList([Sum(), *(Fusion(width) for _ in range(scale - 1))])


class ERes2NetV2(nn.Module):
    """Filterbank rows of utterances of one length to their embeddings."""

    def __init__(
        self,
        feat_dim: int = 80,
        embedding_size: int = 192,
        m_channels: int = 64,
        baseWidth: int = 26,  # noqa: N803
        scale: int = 2,
        expansion: int = 2,
        num_blocks: Sequence[int] = (3, 4, 6, 3),
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, m_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(m_channels)
        inputs = m_channels
        layers = []
        for number, (kind, count) in enumerate(
            zip((Block, Block, FusedBlock, FusedBlock), num_blocks, strict=True)
        ):
            planes = m_channels << number
            width = int(planes * (baseWidth / 64.0))
            strides = [1 if number == 0 else 2] + [1] * (count - 1)
            blocks = []
            for stride in strides:
                blocks.append(kind(inputs, planes, stride, width, scale, expansion))
                inputs = planes * expansion
            layers.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.layer3_ds = nn.Conv2d(inputs // 2, inputs, 3, padding=1, stride=2, bias=False)
        self.fuse34 = Fusion(inputs)
        self.seg_1 = nn.Linear(2 * inputs * (feat_dim // 8), embedding_size)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (utterances, size) of filterbank rows (utterances, frames, mels)."""
        x = x - x.mean(dim=1, keepdim=True)
        x = x.transpose(1, 2).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        x = torch.relu(self.bn1(self.conv1(x)))
        third = self.layer3(self.layer2(self.layer1(x)))
        fused = self.fuse34(self.layer4(third), self.layer3_ds(third))
        deviation = torch.sqrt(fused.var(dim=3) + 1e-8)
        return self.seg_1(torch.cat([fused.mean(dim=3).flatten(1), deviation.flatten(1)], dim=1))
