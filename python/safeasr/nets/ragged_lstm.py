"""A layer of an LSTM on ragged rows (csrc/asr/ops/ragged_lstm.h). Always in float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LSTM_UNITS", "RaggedLstm"]

#: An LSTM's size must be a multiple of this.
LSTM_UNITS = 16
_PANEL = 64


def _panels(matrices: list[Tensor]) -> Tensor:
    """Matrices (4 * size, n), one a direction, as the operator reads them."""
    cut = [m.t().reshape(m.size(1), -1, _PANEL).permute(1, 0, 2) for m in matrices]
    return torch.stack(cut).contiguous()


class RaggedLstm(nn.Module):
    """One layer of a ``torch.nn.LSTM``, of one or two directions.

    Args:
        lstm: with its weights; its size must be a multiple of :data:`LSTM_UNITS`.
        layer: which of its layers.
    """

    def __init__(self, lstm: nn.LSTM, layer: int = 0) -> None:
        super().__init__()
        names = [f"l{layer}", *([f"l{layer}_reverse"] if lstm.bidirectional else [])]

        def weights(kind: str) -> list[Tensor]:
            return [getattr(lstm, f"{kind}_{name}").detach().float() for name in names]

        self.register_buffer("w_ih", _panels(weights("weight_ih")))
        self.register_buffer("w_hh", _panels(weights("weight_hh")))
        sums = [a + b for a, b in zip(weights("bias_ih"), weights("bias_hh"), strict=True)]
        self.register_buffer("bias", torch.stack(sums))

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        """Rows (rows, in) float32 of all sequences to (rows, directions * size).

        ``offsets``: (sequences + 1,) int64 on the CPU, where each sequence's rows begin.
        """
        return torch.ops.safeasr.ragged_lstm(x, self.w_ih, self.w_hh, self.bias, offsets)

    @torch.jit.export
    def resumed(self, x: Tensor, offsets: Tensor) -> Tensor:
        """The same of sequences that go on: their first two rows are the state, here and there."""
        return torch.ops.safeasr.ragged_lstm(x, self.w_ih, self.w_hh, self.bias, offsets, True)
