"""CTC heads: what each row of an encoder says of tokens; FunASR's ``CTC`` at inference."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear

__all__ = ["CtcHead"]


class CtcHead(nn.Module):
    """Scores of tokens.

    Args:
        size: channels of the encoder.
        vocab_size: number of tokens, the blank included.
    """

    def __init__(self, size: int, vocab_size: int) -> None:
        super().__init__()
        self.ctc_lo = Linear(size, vocab_size, wide=True)
        #: Scores of so many rows exist at a time: vocabularies are large.
        self.rows_at_a_time = 256

    def forward(self, rows: Tensor) -> Tensor:
        """Log probabilities (rows, vocab_size) float32 of rows (rows, size)."""
        return torch.log_softmax(self.ctc_lo(rows), dim=-1)

    @torch.jit.export
    def best(self, rows: Tensor) -> Tensor:
        """The best token of each row, (rows,) int64."""
        found: list[Tensor] = []
        for first in range(0, rows.size(0), self.rows_at_a_time):
            found.append(self.ctc_lo(rows[first : first + self.rows_at_a_time]).argmax(dim=-1))
        return torch.cat(found)
