"""FSMN scorer of voice activity detection; FunASR's ``FSMN`` encoder without look-ahead.

Source: Zhang et al., 2018 (https://arxiv.org/abs/1803.05030);
``funasr/models/fsmn_vad_streaming/encoder.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["FsmnVadScorer", "FsmnVadSizes"]

#: Rows of weights are padded to a multiple of this.
_PADDING = 16


@dataclass(frozen=True)
class FsmnVadSizes:
    """Keys of FunASR's ``encoder_conf`` for a network that does not look ahead.

    Attributes:
        input_dim: feature size.
        input_affine_dim: size after the first layer.
        fsmn_layers: layers with a memory: project, remember, project back, ReLU.
        linear_dim: size between them.
        proj_dim: size of the memories.
        lorder: taps of a memory.
        lstride: frames from one tap to the next.
        output_affine_dim: size before the last layer.
        output_dim: classes.
        use_softmax: False: the scores are logits.
    """

    input_dim: int
    input_affine_dim: int
    fsmn_layers: int
    linear_dim: int
    proj_dim: int
    lorder: int
    output_affine_dim: int
    output_dim: int
    lstride: int = 1
    use_softmax: bool = True

    @property
    def past(self) -> int:
        """Frames that a memory has to know besides the present one."""
        return (self.lorder - 1) * self.lstride

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Parameters by FunASR's names, in the order of the operator, with their shapes."""
        yield from self._linear("in_linear1", self.input_dim, self.input_affine_dim)
        yield from self._linear("in_linear2", self.input_affine_dim, self.linear_dim)
        for i in range(self.fsmn_layers):
            yield f"fsmn.{i}.linear.linear.weight", (self.proj_dim, self.linear_dim)
            yield f"fsmn.{i}.fsmn_block.conv_left.weight", (self.proj_dim, 1, self.lorder, 1)
            yield from self._linear(f"fsmn.{i}.affine", self.proj_dim, self.linear_dim)
        yield from self._linear("out_linear1", self.linear_dim, self.output_affine_dim)
        yield from self._linear("out_linear2", self.output_affine_dim, self.output_dim)

    @staticmethod
    def _linear(name: str, size: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.linear.weight", (out, size)
        yield f"{name}.linear.bias", (out,)


class FsmnVadScorer(nn.Module):
    """Features to the probabilities of the acoustic classes, frame by frame, some of them silence.

    The operator, and how it wants its weights, is in csrc/asr/ops/fsmn_vad_op.h.

    Args:
        sizes: of the network.
        parameters: by the names and with the shapes of :meth:`FsmnVadSizes.shapes`.

    Raises:
        ValueError: if a parameter is missing or of another shape.
    """

    def __init__(self, sizes: FsmnVadSizes, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.sizes = [
            sizes.input_dim, sizes.input_affine_dim, sizes.fsmn_layers, sizes.linear_dim,
            sizes.proj_dim, sizes.past, sizes.output_affine_dim, sizes.output_dim,
            int(sizes.use_softmax),
        ]  # fmt: skip
        blocks = []
        for name, shape in sizes.shapes():
            if name not in parameters:
                raise ValueError(f"the parameter {name!r} is missing")
            value = parameters[name].detach().float()
            if value.shape != shape:
                raise ValueError(f"{name} must be {shape}, got {tuple(value.shape)}")
            blocks.append(_rows(value, sizes.lstride))
        self.weights = nn.Parameter(torch.cat(blocks), requires_grad=False)

    def forward(self, features: Tensor, lengths: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """Score a padded batch of pieces of streams.

        Nothing looks ahead, so padding behind a piece has no influence on it, and neither has the
        place where a stream was cut.

        Args:
            features: (batch, frames, input_dim) float32.
            lengths: (batch,) int64, real frames of each row.
            cache: (batch, fsmn_layers, past, proj_dim) float32, what the step before returned;
                zeros at the beginning of a stream.

        Returns:
            Scores (batch, frames, output_dim), zeros beyond a row's length; and the cache of the
            next step.
        """
        scored: tuple[Tensor, Tensor] = torch.ops.safeasr.fsmn_vad(
            features, lengths, cache, self.weights, self.sizes
        )
        return scored


def _rows(value: Tensor, stride: int) -> Tensor:
    """A parameter as the operator reads it: input by input (or tap by tap), rows padded."""
    if value.dim() == 4:
        taps = value[:, 0, :, 0].t()
        # A stride is taps of zero in between.
        rows = torch.zeros((len(taps) - 1) * stride + 1, taps.size(1))
        rows[::stride] = taps
    else:
        rows = value.t() if value.dim() == 2 else value.unsqueeze(0)
    return nn.functional.pad(rows, (0, -rows.size(1) % _PADDING)).flatten()
