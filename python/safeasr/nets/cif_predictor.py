"""CIF predictor weights (Dong and Xu, 2020, https://arxiv.org/abs/1905.11235).

The network part only: how much each frame adds to the token being formed. Integrating and firing
are done in C++ (csrc/asr/cif.h).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from safeasr.nets.layers import length_mask


class CifWeights(nn.Module):
    """FunASR's ``CifPredictorV2`` up to its alphas.

    Args:
        idim: hidden size.
        l_order: frames that the convolution sees to the left.
        r_order: frames that it sees to the right.
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
        self.left = l_order
        self.right = r_order
        self.smooth_factor = smooth_factor
        self.noise_threshold = noise_threshold
        self.cif_conv1d = nn.Conv1d(idim, idim, l_order + r_order + 1)
        self.cif_output = nn.Linear(idim, 1)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Weights of the frames.

        Args:
            hidden: (batch, frames, idim).
            lengths: (batch,) int64.

        Returns:
            (batch, frames) float32, zero beyond a row's length.
        """
        mask = length_mask(lengths, hidden.size(1))
        # The convolution looks past the last real frame. Alone, an utterance has zeros there.
        hidden = hidden * mask.unsqueeze(2).to(hidden.dtype)
        x = F.pad(hidden.transpose(1, 2), (self.left, self.right))
        x = torch.relu(self.cif_conv1d(x)).transpose(1, 2)
        alphas = torch.sigmoid(self.cif_output(x)).squeeze(2)
        alphas = torch.relu(alphas * self.smooth_factor - self.noise_threshold)
        return alphas * mask.to(alphas.dtype)
