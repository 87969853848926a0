"""What encoders of the Transformer kind have in front: fewer rows, and their positions.

FunASR's ``Conv2dSubsampling``, ``-2``, ``-6``, ``-8`` and its linear input layer. Two-dimensional
convolutions are linear layers here, of patches: so rows of all utterances stand one below the other
as everywhere, no utterance sees another, and each row's numbers are the same bits in any company.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear, Narrow

__all__ = ["STRIDED", "Positions", "Subsampling", "rates_of"]

#: Kernel and stride of the convolutions of each input layer, which are square.
STRIDED: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
}
#: Rows whose patches exist at a time: they are as many times larger than the rows as the kernel.
_AT_A_TIME: Final = 32


def rates_of(size: int) -> Tensor:
    """By how much the angles of a sinusoidal encoding grow from row to row, (size / 2)."""
    return torch.exp(
        torch.arange(0, size, 2, dtype=torch.float32, device="cpu") * -(math.log(10000.0) / size)
    )


class Positions(nn.Module):
    """Sinusoidal encodings, sines and cosines in turn."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("rates", rates_of(size), persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers (n,) float32 of rows or distances to (n, size) float32."""
        return torch.ops.safeasr.encode_distances(numbers, self.rates)


class _Patches(nn.Module):
    """One convolution with a ReLU: a linear layer of patches, in time and frequency."""

    def __init__(self, conv: nn.Conv2d, width: int, wide: bool) -> None:
        """Take the weights of a convolution of rows that have ``width`` frequencies."""
        super().__init__()
        self.kernel = int(conv.kernel_size[0])
        self.stride = int(conv.stride[0])
        self.width = (width - self.kernel) // self.stride + 1
        # Channels are innermost here.
        weight = conv.weight.detach().permute(0, 2, 3, 1).flatten(1).contiguous()
        self.linear = Linear(weight.size(1), weight.size(0), wide=wide)
        self.linear.weight = nn.Parameter(weight)
        assert conv.bias is not None
        self.linear.bias = nn.Parameter(conv.bias.detach().clone())
        self.at_a_time = _AT_A_TIME

    def forward(self, x: Tensor, starts: Tensor) -> Tensor:
        """Rows (rows, width, channels) to (starts, new width, new channels)."""
        made: list[Tensor] = []
        span = (self.width - 1) * self.stride + 1
        for first in range(0, starts.size(0), self.at_a_time):
            own = starts[first : first + self.at_a_time]
            taps: list[Tensor] = []
            for t in range(self.kernel):
                rows = x.index_select(0, own + t)
                for f in range(self.kernel):
                    taps.append(rows[:, f : f + span : self.stride])
            patches = torch.cat(taps, dim=-1).flatten(0, 1)
            made.append(self.linear.relu(patches).view(own.size(0), self.width, -1))
        return torch.cat(made)


class Subsampling(nn.Module):
    """From features to rows of the encoder, scaled, with positions added if they are absolute.

    Built, it has the parameter names of FunASR's checkpoints; :meth:`fold` makes layers of them.

    Args:
        input_size: feature size.
        size: channels of the encoder.
        input_layer: a key of :data:`STRIDED`.
        absolute: positions are added to the rows.
    """

    def __init__(self, input_size: int, size: int, input_layer: str, absolute: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, width = 1, input_size
        for kernel, stride in STRIDED[input_layer]:
            layers += [nn.Conv2d(channels, size, kernel, stride), nn.ReLU()]
            channels, width = size, (width - kernel) // stride + 1
        if width < 1:
            raise ValueError(f"{input_size} features are too few for {input_layer}")
        self.conv = nn.Sequential(*layers)
        self.out = nn.ModuleList([Linear(size * width, size)])
        self.input_size = input_size
        self.size = size
        self.scale = math.sqrt(size)
        self.absolute = absolute

    def fold(self) -> None:
        """Make what runs of the parameters; once they are there."""
        patches: list[_Patches] = []
        width = self.input_size
        for conv in self.conv:
            if isinstance(conv, nn.Conv2d):
                # The first one is small, and what it reads is not normalised.
                patches.append(_Patches(conv, width, wide=not patches))
                width = patches[-1].width
        self.patches = nn.ModuleList(patches)
        out = self.out[0]
        assert isinstance(out, Linear)
        # FunASR's rows have the frequencies of a channel side by side, ours the channels.
        weight = out.weight.detach().view(self.size, self.size, width).transpose(1, 2).flatten(1)
        out.weight = nn.Parameter(weight.contiguous())
        del self.conv, self.out
        self.linear = out
        self.narrow = Narrow()
        self.positions = Positions(self.size)

    def forward(self, features: Tensor, starts: list[Tensor], numbers: Tensor) -> Tensor:
        """Features (frames, input_size) to rows (rows, size) float32.

        Args:
            features: of all utterances one below the other.
            starts: for each convolution the rows (n,) int64 at which its kernel begins.
            numbers: (rows,) float32, each row's number in its utterance, from 1.
        """
        x = features.unsqueeze(-1)
        for number, patches in enumerate(self.patches):
            x = patches(x, starts[number])
            x = self.narrow(x)
        x = self.linear(x.flatten(1)).float() * self.scale
        if self.absolute:
            x = x + self.positions(numbers - 1.0)
        return x

    @torch.jit.export
    def encoded(self, positions: Tensor) -> Tensor:
        """Encodings (m, size) of positions (m,) that attention knows."""
        return self.positions(positions)
