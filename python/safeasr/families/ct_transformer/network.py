"""CT-Transformer's network (Chen et al., 2020, https://arxiv.org/abs/2003.01309)."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.layers import Linear
from safeasr.nets.sanm_encoder import SanmEncoder


class CtTransformerNetwork(nn.Module):
    """Words to the marks behind them.

    Args:
        encoder: of rows as wide as the embeddings.
        vocabulary: words.
        embedding: width of a word's embedding.
        marks: marks that there are.
    """

    def __init__(self, encoder: SanmEncoder, vocabulary: int, embedding: int, marks: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedding)
        self.encoder = encoder
        self.decoder = Linear(encoder.size, marks, wide=True)

    def forward(self, ids: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        """The number of the best mark behind each word.

        Args:
            ids: (rows,) int64, the words of all pieces one below the other.
            positions: (rows,) float32, their numbers in their pieces, from 1.
            offsets: (pieces + 1,) int64 on the CPU, where each piece begins. Rows behind the last
                piece's are padding.

        Returns:
            (rows,) int64.
        """
        caches: list[Tensor] = []
        x = self.encoder.embed(self.embed(ids), positions)
        hidden = self.encoder(x, offsets, caches, offsets)
        return self.decoder(hidden).argmax(dim=-1)
