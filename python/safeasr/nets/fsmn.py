"""FSMN layers that look ahead (Zhang et al., 2018, https://arxiv.org/abs/1803.05030).

FunASR's ``FSMN`` encoder up to its last layers, for recordings. The one of voice activity
detection, which does not look ahead, is an operator (:mod:`safeasr.families.fsmn_vad.network`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from safeasr.nets.layers import FsmnMemory, Linear, Narrow

__all__ = ["FsmnTrunk", "FsmnTrunkSizes", "with_memories"]


@dataclass(frozen=True)
class FsmnTrunkSizes:
    """Keys of FunASR's ``encoder_conf``.

    Attributes:
        input_dim: feature size.
        input_affine_dim: size after the first layer.
        fsmn_layers: layers with a memory: project, remember, project back, ReLU.
        linear_dim: size between them.
        proj_dim: size of the memories.
        lorder: taps of a memory on this row and the ones before it.
        rorder: taps on the rows to come.
        lstride: rows from one tap to the next, in the past.
        rstride: the same in the future.
    """

    input_dim: int
    input_affine_dim: int
    fsmn_layers: int
    linear_dim: int
    proj_dim: int
    lorder: int
    rorder: int = 0
    lstride: int = 1
    rstride: int = 1

    @property
    def before(self) -> int:
        """Rows of the past that a memory sees."""
        return (self.lorder - 1) * self.lstride

    @property
    def span(self) -> int:
        """Rows that a memory sees in all."""
        return self.before + 1 + self.rorder * self.rstride


class _Affine(nn.Module):
    """A linear layer by FunASR's names."""

    def __init__(self, size: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = Linear(size, out, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)

    @torch.jit.export
    def relu(self, x: Tensor) -> Tensor:
        """The layer with a ReLU behind it."""
        return self.linear.relu(x)


class _FsmnLayer(nn.Module):
    """Project, remember, project back, ReLU."""

    def __init__(self, sizes: FsmnTrunkSizes) -> None:
        super().__init__()
        self.linear = _Affine(sizes.linear_dim, sizes.proj_dim, bias=False)
        self.fsmn_block = FsmnMemory(sizes.proj_dim, sizes.span, 0)
        self.fsmn_block.left = sizes.before
        self.narrow = Narrow()
        self.affine = _Affine(sizes.proj_dim, sizes.linear_dim)

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        nothing: list[Tensor] = []
        remembered = self.fsmn_block(self.linear(x), offsets, None, nothing, nothing, 0)
        return self.affine.relu(self.narrow(remembered))


class FsmnTrunk(nn.Module):
    """Rows of features to what the last layers take.

    Args:
        sizes: of the network.
    """

    def __init__(self, sizes: FsmnTrunkSizes) -> None:
        super().__init__()
        self.narrow = Narrow()
        self.in_linear1 = _Affine(sizes.input_dim, sizes.input_affine_dim)
        self.in_linear2 = _Affine(sizes.input_affine_dim, sizes.linear_dim)
        self.fsmn = nn.ModuleList(_FsmnLayer(sizes) for _ in range(sizes.fsmn_layers))

    def forward(self, features: Tensor, offsets: Tensor) -> Tensor:
        """Encode a ragged batch.

        Args:
            features: (rows, input_dim) float32, of all utterances one below the other.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.

        Returns:
            (rows, linear_dim), of the type that linear layers take.
        """
        x = self.in_linear2.relu(self.in_linear1(self.narrow(features)))
        for layer in self.fsmn:
            x = layer(x, offsets)
        return x


def with_memories(
    weights: Mapping[str, Tensor], sizes: FsmnTrunkSizes, prefix: str
) -> dict[str, Tensor]:
    """A checkpoint with the filters of each memory, over past and future, as one.

    FunASR has two convolutions a memory, with strides; here a stride is taps of zero in between. A
    filter that is missing or of another shape is left as it is: loading it says so.

    Args:
        weights: by FunASR's names; not changed.
        sizes: of the network.
        prefix: of the encoder's names.
    """
    found = dict(weights)
    for i in range(sizes.fsmn_layers):
        name = f"{prefix}fsmn.{i}.fsmn_block"
        left, right = found.get(f"{name}.conv_left.weight"), found.get(f"{name}.conv_right.weight")
        parts = [(left, sizes.lorder), (right, sizes.rorder)]
        if any(
            taps is not None and tuple(taps.shape) != (sizes.proj_dim, 1, count, 1)
            for taps, count in parts
        ):
            continue
        if left is None or (right is None and sizes.rorder > 0):
            continue
        taps = torch.zeros(sizes.proj_dim, 1, sizes.span)
        taps[:, :, : sizes.before + 1 : sizes.lstride] = left.detach().float().squeeze(-1)
        if right is not None:
            taps[:, :, sizes.before + sizes.rstride :: sizes.rstride] = (
                right.detach().float().squeeze(-1)
            )
        found[f"{name}.weight"] = taps
        for side in ("left", "right"):
            found.pop(f"{name}.conv_{side}.weight", None)
    return found
