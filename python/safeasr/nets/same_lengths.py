"""Networks that look at a whole utterance at once, as programs of ragged rows.

Convolutions over time would see padding, so utterances of different lengths share no tensor. On
the CPU none do, where a batch is no faster. On other devices those of one length run together, as
windows do by which speakers are told apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BySameLengths"]

#: Utterances that run together at most, on a device.
_TOGETHER = 64


class BySameLengths(nn.Module):
    """A network of (utterances, frames, size) as a program of ragged rows."""

    def __init__(self, network: nn.Module, output_size: int) -> None:
        super().__init__()
        self.network = network
        self.output_size = output_size
        self.together = _TOGETHER

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        """One row of the network's output for each utterance.

        Args:
            rows: (rows, size) float32, of all utterances one below the other; what lies behind the
                last offset is padding.
            positions: (rows) float32, not looked at.
            offsets: (utterances + 1) int64 on the CPU.

        Returns:
            (utterances, output size) float32.
        """
        count = offsets.size(0) - 1
        lengths = offsets[1:] - offsets[:-1]
        found = torch.zeros([count, self.output_size], dtype=rows.dtype, device=rows.device)
        open_ones = torch.ones([count], dtype=torch.bool)
        most = 1 if rows.device.type == "cpu" else self.together
        for first in range(count):
            if bool(open_ones[first]):
                frames = int(lengths[first])
                same = ((lengths == frames) & open_ones).nonzero().flatten()[:most]
                open_ones[same] = False
                index = offsets[:-1][same].unsqueeze(1) + torch.arange(frames).unsqueeze(0)
                together = rows.index_select(0, index.flatten().to(rows.device))
                given = together.view(same.size(0), frames, rows.size(1))
                found[same.to(rows.device)] = self.network(given)
        return found
