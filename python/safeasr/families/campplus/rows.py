"""CAM++ as it runs: rows of channels, so that nearly all of it is linear layers.

Convolutions over time are linear layers of neighbouring rows, batch norms belong to the layers
before them, and the mask is computed once for each segment, of which it is a property.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.families.campplus.network import CamPlusPlus, DenseBlock, DenseLayer, Transit, XVector
from safeasr.nets.batch_norm import fold_batch_norms, linear_of_taps, scale_and_shift

__all__ = ["CamPlusPlusRows"]

#: Frames of a segment, over which the mask's context is averaged.
_SEGMENT = 100


class NormRelu(nn.Module):
    """Batch norm and ReLU of (utterances, frames, channels)."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__()
        scale, shift = scale_and_shift(norm)
        self.scale = nn.Parameter(scale)
        self.shift = nn.Parameter(shift)

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale).relu_()


class Layer(nn.Module):
    """What one layer of a dense block adds to the channels before it."""

    def __init__(self, layer: DenseLayer) -> None:
        super().__init__()
        cam = layer.cam_layer
        self.norm = NormRelu(layer.nonlinear1.batchnorm)
        self.inner = linear_of_taps(layer.linear1, layer.nonlinear2.batchnorm)
        self.local = linear_of_taps(cam.linear_local)
        self.linear1 = linear_of_taps(cam.linear1)
        self.linear2 = linear_of_taps(cam.linear2)
        self.dilation = int(cam.linear_local.dilation[0])
        self.segment = _SEGMENT

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.inner(self.norm(x)))
        frames, dilation = x.size(1), self.dilation
        padded = nn.functional.pad(x, [0, 0, dilation, dilation])
        taps = [padded.narrow(1, i * dilation, frames) for i in range(3)]
        return self.local(torch.cat(taps, dim=2)) * self.mask(x)

    def mask(self, x: Tensor) -> Tensor:
        """By how much each frame counts, or all of them if they are one segment."""
        frames = x.size(1)
        whole = x.mean(dim=1, keepdim=True)
        near = whole
        if frames > self.segment:
            # The last segment may be shorter: its mean is over what there is of it.
            means = [x[:, i : i + self.segment].mean(dim=1) for i in range(0, frames, self.segment)]
            near = torch.stack(means, dim=1)
        mask = torch.sigmoid(self.linear2(torch.relu(self.linear1(whole + near))))
        if frames > self.segment:
            mask = mask.repeat_interleave(self.segment, dim=1)[:, :frames]
        return mask


class Block(nn.Module):
    """Layers of which each sees the channels of all before it."""

    def __init__(self, block: DenseBlock) -> None:
        super().__init__()
        layers = [Layer(layer) for layer in block.values() if isinstance(layer, DenseLayer)]
        self.growth: int = layers[0].local.out_features
        self.count = len(layers)
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        known = x.size(2)
        size = known + self.growth * self.count
        channels = x.new_empty([x.size(0), x.size(1), size])
        channels.narrow(2, 0, known).copy_(x)
        for layer in self.layers:
            more = layer(channels.narrow(2, 0, known))
            channels.narrow(2, known, self.growth).copy_(more)
            known += self.growth
        return channels


class Tdnn(nn.Module):
    """From (utterances, frames, channels) to the embedding."""

    def __init__(self, network: XVector) -> None:
        super().__init__()
        self.first = linear_of_taps(network.tdnn.linear, network.tdnn.nonlinear.batchnorm)
        numbers = range(1, 4)
        self.blocks = nn.ModuleList(Block(getattr(network, f"block{i}")) for i in numbers)
        transits: list[Transit] = [getattr(network, f"transit{i}") for i in numbers]
        self.norms = nn.ModuleList(NormRelu(one.nonlinear.batchnorm) for one in transits)
        self.linears = nn.ModuleList(linear_of_taps(one.linear) for one in transits)
        self.last = NormRelu(network.out_nonlinear.batchnorm)
        self.dense = linear_of_taps(network.dense.linear, network.dense.nonlinear.batchnorm)

    def forward(self, x: Tensor) -> Tensor:
        frames = (x.size(1) + 1) // 2
        padded = nn.functional.pad(x, [0, 0, 2, 2])
        taps = [padded[:, i : i + 2 * frames - 1 : 2] for i in range(5)]
        x = torch.relu(self.first(torch.cat(taps, dim=2)))
        for block, norm, linear in zip(self.blocks, self.norms, self.linears):  # noqa: B905
            x = linear(norm(block(x)))
        x = self.last(x)
        return self.dense(torch.cat([x.mean(dim=1), x.std(dim=1)], dim=1))


class CamPlusPlusRows(nn.Module):
    """Filterbank rows of utterances of one length to their embeddings."""

    def __init__(self, network: CamPlusPlus) -> None:
        """Take over the parameters; the network is of no more use."""
        super().__init__()
        fold_batch_norms(network.head)
        self.head = network.head
        self.tdnn = Tdnn(network.xvector)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (utterances, size) of filterbank rows (utterances, frames, mels)."""
        return self.tdnn(self.head(x - x.mean(dim=1, keepdim=True)))
