"""CAM++'s network: a small residual network, then a densely connected TDNN.

"CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking",
https://arxiv.org/abs/2303.00332. Parameters are named as in FunASR's checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CamPlusPlus"]

#: Frames of a segment, over which the mask's context is averaged.
_SEGMENT = 100
#: Layers, kernel and dilation of the three dense blocks.
_BLOCKS = ((12, 3, 1), (24, 3, 2), (16, 3, 2))


class NormRelu(nn.Module):
    """Batch norm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batchnorm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.batchnorm(x))


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
    """An eighth of the mel bins, each with many channels."""

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
        x = torch.relu(self.bn1(self.conv1(x.unsqueeze(1))))
        x = self.layer2(self.layer1(x))
        return torch.relu(self.bn2(self.conv2(x))).flatten(1, 2)


class MaskedConv(nn.Module):
    """A dilated convolution, scaled by what the whole utterance and the segment sound like."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        padding = (kernel - 1) // 2 * dilation
        self.linear_local = nn.Conv1d(
            inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False
        )
        self.linear1 = nn.Conv1d(inputs, inputs // 2, 1)
        self.linear2 = nn.Conv1d(inputs // 2, outputs, 1)
        self.segment = _SEGMENT

    def forward(self, x: Tensor) -> Tensor:
        # The last segment may be shorter: its mean is over what there is of it.
        means = nn.functional.avg_pool1d(x, self.segment, self.segment, ceil_mode=True)
        near = means.repeat_interleave(self.segment, dim=2)[:, :, : x.size(2)]
        context = x.mean(dim=2, keepdim=True) + near
        mask = torch.sigmoid(self.linear2(torch.relu(self.linear1(context))))
        return self.linear_local(x) * mask


class DenseLayer(nn.Module):
    """What one layer of a dense block adds to the channels before it."""

    def __init__(self, inputs: int, inner: int, outputs: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = NormRelu(inputs)
        self.linear1 = nn.Conv1d(inputs, inner, 1, bias=False)
        self.nonlinear2 = NormRelu(inner)
        self.cam_layer = MaskedConv(inner, outputs, kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))


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

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.values():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Transit(nn.Module):
    """Half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = NormRelu(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.nonlinear(x))


class Tdnn(nn.Module):
    """The first convolution over time, which halves the frames."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, channels, 5, stride=2, padding=2, bias=False)
        self.nonlinear = NormRelu(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x))


class Dense(nn.Module):
    """The embedding, from mean and deviation of the channels."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(inputs, size, 1, bias=False)
        self.nonlinear = nn.Sequential()
        self.nonlinear.add_module("batchnorm", nn.BatchNorm1d(size, affine=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.nonlinear(self.linear(x.unsqueeze(2)).squeeze(2))


class XVector(nn.Sequential):
    """From channels over time to the embedding."""

    def __init__(
        self, inputs: int, channels: int, growth: int, bottleneck: int, embedding: int
    ) -> None:
        super().__init__()
        self.add_module("tdnn", Tdnn(inputs, channels))
        for number, (layers, kernel, dilation) in enumerate(_BLOCKS, 1):
            block = DenseBlock(layers, channels, growth, bottleneck * growth, kernel, dilation)
            self.add_module(f"block{number}", block)
            channels += layers * growth
            self.add_module(f"transit{number}", Transit(channels))
            channels //= 2
        self.add_module("out_nonlinear", NormRelu(channels))
        self.add_module("stats", Statistics())
        self.add_module("dense", Dense(2 * channels, embedding))


class Statistics(nn.Module):
    """Mean and standard deviation over time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(dim=2), x.std(dim=2)], dim=1)


class CamPlusPlus(nn.Module):
    """Filterbank rows of utterances of one length to their embeddings."""

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

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (utterances, size) of filterbank rows (utterances, frames, mels)."""
        x = x - x.mean(dim=1, keepdim=True)
        return self.xvector(self.head(x.transpose(1, 2)))
