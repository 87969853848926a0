"""The encoder of hotwords that Paraformers with hotwords have."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.ragged_lstm import RaggedLstm

__all__ = ["BiasEncoderProgram"]


class BiasEncoderProgram(nn.Module):
    """Hotwords to one row each."""

    def __init__(self, embed: nn.Embedding, lstm: nn.LSTM) -> None:
        super().__init__()
        self.embed = embed
        self.layers = nn.ModuleList(RaggedLstm(lstm, n) for n in range(lstm.num_layers))

    def forward(self, ids: Tensor, offsets: Tensor, last: Tensor) -> Tensor:
        """Rows (words, size) float32.

        Args:
            ids: (pieces,) int64, of all words one behind the other.
            offsets: (words + 1,) int64 on the CPU, where each word begins.
            last: (words,) int64, the place of each word's last piece.
        """
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, offsets)
        return x.index_select(0, last)
