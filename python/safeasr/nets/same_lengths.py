"""Networks that look at a whole utterance at once, as programs of ragged rows.

Convolutions over time would see padding, so utterances of different lengths share no tensor. Those
of one length run together, as windows do by which speakers are told apart: many on devices, few
on the CPU, where more are no faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BySameLengths"]

#: Utterances that run together at most, on a device.
_TOGETHER = 64


class BySameLengths(nn.Module):
    """A network of (utterances, frames, size) as a program of ragged rows."""

    def __init__(self, network: nn.Module, on_cpu: int = 1) -> None:
        """Take a network.

        Args:
            network: of utterances of one length.
            on_cpu: how many run together at most on the CPU.
        """
        super().__init__()
        self.network = network
        self.together = _TOGETHER
        self.on_cpu = on_cpu

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
        ends: list[int] = offsets.tolist()
        most = self.on_cpu if rows.device.type == "cpu" else self.together
        open_ones = [True for _ in range(count)]
        found = [rows for _ in range(count)]
        for first in range(count):
            if open_ones[first]:
                frames = ends[first + 1] - ends[first]
                places: list[int] = []
                pieces: list[Tensor] = []
                for other in range(first, count):
                    same = ends[other + 1] - ends[other] == frames
                    if same and open_ones[other] and len(places) < most:
                        open_ones[other] = False
                        places.append(other)
                        pieces.append(rows.narrow(0, ends[other], frames))
                answers = self.network(torch.stack(pieces))
                for place, answer in zip(places, answers.unbind(0)):  # noqa: B905  (scripted)
                    found[place] = answer
        return torch.stack(found)
