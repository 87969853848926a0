"""FunASR's ``FsmnKWS`` and ``FsmnKWSMT``: an FSMN, and one or two heads for tokens."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.ctc_candidates import CtcCandidates
from safeasr.nets.fsmn import FsmnTrunk
from safeasr.nets.layers import Linear

__all__ = ["FsmnHead", "FsmnKwsNetwork", "FsmnKwsTwoHeads"]


class FsmnHead(nn.Module):
    """What follows the memories: a linear layer, then the candidates."""

    def __init__(self, first: Linear, candidates: CtcCandidates) -> None:
        super().__init__()
        self.first = first
        self.candidates = candidates

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As ``CtcCandidates``, of (rows, linear_dim)."""
        return self.candidates(self.first(x))


class FsmnKwsNetwork(nn.Module):
    """One head."""

    def __init__(self, trunk: FsmnTrunk, head: FsmnHead) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The candidates of each row of a ragged batch.

        Args:
            features: (rows, input size) float32, of all utterances one below the other.
            positions: (rows,) float32, not looked at.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.

        Returns:
            probabilities (rows, 3) float32 and ids (rows, 3) int64, best first.
        """
        return self.head(self.trunk(features, offsets))


class FsmnKwsTwoHeads(nn.Module):
    """Two heads on the same memories."""

    def __init__(self, trunk: FsmnTrunk, head: FsmnHead, head2: FsmnHead) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.head2 = head2

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As :class:`FsmnKwsNetwork`: of the one head, then of the other."""
        x = self.trunk(features, offsets)
        one, two = self.head(x), self.head2(x)
        return one[0], one[1], two[0], two[1]
