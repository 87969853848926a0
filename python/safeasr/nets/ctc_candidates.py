"""What a CTC network likes best, row by row: all that a search for keywords looks at."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear

__all__ = ["CANDIDATES", "CtcCandidates"]

#: Tokens of a row; FunASR's search for keywords looks at no more.
CANDIDATES = 3
#: Scores of so many rows exist at a time: the vocabulary is large.
_ROWS_AT_A_TIME = 256


class CtcCandidates(nn.Module):
    """The most probable tokens of rows; FunASR's ``CTC.softmax``, and the layer before it.

    Args:
        *layers: linear layers to the scores of all tokens, one behind the other. They stay float32
            in every precision: the order of scores is the answer.
        normalised: what the first layer gives is made probabilities before anything else, as
            FunASR's ``use_softmax`` says.
    """

    def __init__(self, *layers: Linear, normalised: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.normalised = normalised
        self.vocab_size = layers[-1].out_features
        self.count = min(CANDIDATES, self.vocab_size)
        self.rows_at_a_time = _ROWS_AT_A_TIME

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The candidates of each row, best first.

        Args:
            rows: (N, size).

        Returns:
            probabilities (N, CANDIDATES) float32, and ids likewise int64; fewer of a vocabulary
            that has no more.
        """
        probabilities: list[Tensor] = []
        ids: list[Tensor] = []
        for first in range(0, rows.size(0), self.rows_at_a_time):
            scores = rows.narrow(0, first, min(self.rows_at_a_time, rows.size(0) - first)).float()
            for number, layer in enumerate(self.layers):
                scores = layer(scores)
                if number == 0 and self.normalised:
                    scores = torch.softmax(scores, dim=-1)
            best = torch.softmax(scores, dim=-1).topk(self.count, dim=-1)
            probabilities.append(best[0])
            ids.append(best[1])
        return torch.cat(probabilities), torch.cat(ids)
