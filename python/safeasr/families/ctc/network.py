"""The program of a CTC network."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.ctc_head import CtcHead

__all__ = ["CtcNetwork"]


class CtcNetwork(nn.Module):
    """From features to the best token of each row."""

    def __init__(self, encoder: nn.Module, ctc: CtcHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.ctc = ctc

    def forward(
        self,
        features: Tensor,
        starts: list[Tensor],
        numbers: Tensor,
        offsets: Tensor,
        positions: Tensor,
        firsts: Tensor,
    ) -> Tensor:
        """Ids (rows,) int64 of a ragged batch; its inputs: csrc/asr/subsampled_batch.h."""
        rows = self.encoder(features, starts, numbers, offsets, positions, firsts)
        return self.ctc.best(rows)
