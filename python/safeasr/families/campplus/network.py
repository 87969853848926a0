"""CAM++'s network: a small residual network, then a densely connected TDNN.

"CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking",
https://arxiv.org/abs/2303.00332. Parameters are named as in FunASR's checkpoints. The TDNN here is
parameters only; :mod:`safeasr.families.campplus.rows` computes it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CamPlusPlus", "DenseBlock", "DenseLayer", "Head", "MaskedConv", "XVector"]

#: Layers, kernel and dilation of the three dense blocks.
_BLOCKS = ((12, 3, 1), (24, 3, 2), (16, 3, 2))


class ResidualBlock(nn.Module):
    """Two convolutions over (frequency, time) beside a shortcut; strides are of frequency."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != channels:
            self.shortcut.append(nn.Conv2d(inputs, channels, 1, stride=(stride, 1), bias=False))
            self.shortcut.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class Head(nn.Module):
    """Filterbank rows (utterances, frames, mels) to (utterances, frames, size)."""

    def __init__(self, mels: int, channels: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = nn.Sequential(*(ResidualBlock(channels, channels, s) for s in (2, 1)))
        self.layer2 = nn.Sequential(*(ResidualBlock(channels, channels, s) for s in (2, 1)))
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.size = channels * (mels // 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(self.layer2(self.layer1(x)))))
        return x.permute(0, 3, 1, 2).flatten(2)


class Norm(nn.Module):
    """Batch norm, with a ReLU behind it."""

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels, affine=affine)


class MaskedConv(nn.Module):
    """A dilated convolution, scaled by what the whole utterance and the segment sound like."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.linear_local = nn.Conv1d(inputs, outputs, kernel, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(inputs, inputs // 2, 1)
        self.linear2 = nn.Conv1d(inputs // 2, outputs, 1)


class DenseLayer(nn.Module):
    """What one layer of a dense block adds to the channels before it."""

    def __init__(self, inputs: int, inner: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = Norm(inputs)
        self.linear1 = nn.Conv1d(inputs, inner, 1, bias=False)
        self.nonlinear2 = Norm(inner)
        self.cam_layer = MaskedConv(inner, outputs, kernel, dilation)


class DenseBlock(nn.ModuleDict):
    """Layers of which each sees the channels of all before it."""

    def __init__(
        self, layers: int, inputs: int, growth: int, inner: int, kernel: int, dilation: int
    ) -> None:
        super().__init__(
            {
                f"tdnnd{i + 1}": DenseLayer(inputs + i * growth, inner, growth, kernel, dilation)
                for i in range(layers)
            }
        )


class Transit(nn.Module):
    """Half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = Norm(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)


class Tdnn(nn.Module):
    """The first convolution over time, which halves the frames."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, channels, 5, stride=2, bias=False)
        self.nonlinear = Norm(channels)


class Dense(nn.Module):
    """The embedding, from mean and deviation of the channels; no ReLU."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, size, 1, bias=False)
        self.nonlinear = Norm(size, affine=False)


class XVector(nn.Module):
    """From channels over time to the embedding."""

    def __init__(
        self, inputs: int, channels: int, growth: int, bottleneck: int, embedding: int
    ) -> None:
        super().__init__()
        self.tdnn = Tdnn(inputs, channels)
        for number, (layers, kernel, dilation) in enumerate(_BLOCKS, 1):
            block = DenseBlock(layers, channels, growth, bottleneck * growth, kernel, dilation)
            self.add_module(f"block{number}", block)
            channels += layers * growth
            self.add_module(f"transit{number}", Transit(channels))
            channels //= 2
        self.out_nonlinear = Norm(channels)
        self.dense = Dense(2 * channels, embedding)


class CamPlusPlus(nn.Module):
    """All parameters."""

    def __init__(
        self,
        feat_dim: int = 80,
        embedding_size: int = 192,
        growth_rate: int = 32,
        bn_size: int = 4,
        init_channels: int = 128,
    ) -> None:
        super().__init__()
        self.head = Head(feat_dim)
        self.xvector = XVector(self.head.size, init_channels, growth_rate, bn_size, embedding_size)
