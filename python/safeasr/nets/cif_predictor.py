"""CIF predictor weights (Dong and Xu, 2020, https://arxiv.org/abs/1905.11235).

The network part only: how much each row adds to the token being formed. Integrating and firing are
done in C++ (csrc/asr/decode/cif.h, streaming_cif.h). Always in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CifWeights(nn.Module):
    """FunASR's ``CifPredictorV2`` up to its alphas.

    Args:
        idim: hidden size.
        l_order: rows that the convolution sees to the left.
        r_order: rows that it sees to the right.
        smooth_factor: factor on the sigmoid.
        noise_threshold: what is subtracted before the ReLU.
    """

    def __init__(
        self,
        idim: int,
        l_order: int,
        r_order: int,
        smooth_factor: float = 1.0,
        noise_threshold: float = 0.0,
    ) -> None:
        super().__init__()
        self.smooth_factor = float(smooth_factor)
        self.noise_threshold = float(noise_threshold)
        self.cif_conv1d = nn.Conv1d(idim, idim, l_order + r_order + 1)
        self.cif_output = nn.Linear(idim, 1)

    def forward(self, hidden: Tensor, neighbours: Tensor) -> Tensor:
        """Weights (rows,) of hidden vectors (rows, idim).

        Args:
            hidden: rows of all streams.
            neighbours: (rows, l_order + r_order + 1) int64, the rows that the convolution sees,
                counted from 1; 0 where there is none, for a stream ends at its chunk.
        """
        seen = self.seen(hidden, neighbours).flatten(1)
        taps = self.cif_conv1d.weight.permute(0, 2, 1).flatten(1)
        return self.alphas(torch.relu(nn.functional.linear(seen, taps, self.cif_conv1d.bias)))

    def seen(self, hidden: Tensor, neighbours: Tensor) -> Tensor:
        """What the convolution sees of each row, (rows, l_order + r_order + 1, idim)."""
        padded = torch.cat([torch.zeros_like(hidden[:1]), hidden])
        return padded.index_select(0, neighbours.flatten()).view(
            neighbours.size(0), neighbours.size(1), hidden.size(1)
        )

    def alphas(self, x: Tensor) -> Tensor:
        """Weights (rows,) of what the convolution made of the rows."""
        return torch.ops.safeasr.cif_weights(
            x,
            self.cif_output.weight,
            self.cif_output.bias,
            self.smooth_factor,
            self.noise_threshold,
        )
