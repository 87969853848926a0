"""CTTransformerStreaming's network: words see what came before them.

In the last layer they see what comes after them, too; but words of former calls see no word of this
one, except for the last of them.
"""

# No postponed annotations: TorchScript reads those of local variables.

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from safeasr.nets.layers import Linear
from safeasr.nets.sanm_encoder import SanmAttention, SanmEncoder

#: Which of the two counts of visible words a layer takes.
_BEFORE, _ALL = 0, 1


class VisibleAttention(SanmAttention):
    """Self-attention of words that see the first words of their piece, each a number of its own.

    Args:
        in_size: width of a row.
        size: width of the result.
        heads: of the attention.
        kernel_size: span of the memory in rows.
        shift: of the memory.
        which: of the counts that the network hands through, this layer's.
    """

    def __init__(
        self, in_size: int, size: int, heads: int, kernel_size: int, shift: int, which: int
    ) -> None:
        super().__init__(in_size, size, heads, kernel_size, shift)
        self.which = which

    def forward(
        self,
        x: Tensor,
        offsets: Tensor,
        caches: list[Tensor],
        spans: Tensor,
        layer: int,
        residual: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """As of the base; ``caches`` holds counts, (rows,) int64: how many words each word sees."""
        q, k, v = self.linear_q_k_v(x).split(self.size, dim=-1)
        nothing: list[Tensor] = []
        memory = self.fsmn_block(v, offsets, residual, nothing, nothing, 0)
        visible = caches[self.which]
        if q.is_cpu and q.dtype != torch.float16:
            attended = self.by_rings(q, k, v, offsets, visible)
        else:
            attended = self.by_masks(q, k, v, offsets, visible)
        return memory, self.linear_out(attended)

    @torch.jit.export
    def by_rings(self, q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, visible: Tensor) -> Tensor:
        """By the operator whose numbers do not depend on company.

        Each word is a stream of its own, whose ring is its whole piece, and sees as much of it as
        the count says.
        """
        bounds: list[int] = offsets.tolist()
        rows = bounds[len(bounds) - 1]
        both = torch.stack((k, v))
        rings: list[Tensor] = []
        for i in range(len(bounds) - 1):
            ring = both[:, bounds[i] : bounds[i + 1]].unsqueeze(0).contiguous()
            for _ in range(bounds[i + 1] - bounds[i]):
                rings.append(ring)
        spans = torch.zeros(rows, 3, dtype=torch.int64)
        spans[:, 1] = visible[:rows]
        each = torch.arange(rows + 1)
        no_new_keys = torch.zeros(rows + 1, dtype=torch.int64)
        return torch.ops.safeasr.ragged_attention(
            q, k, v, self.heads, each, no_new_keys, rings, spans, 0
        )

    @torch.jit.export
    def by_masks(self, q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, visible: Tensor) -> Tensor:
        """By torch's, piece by piece: nothing comes back from a device on the way."""
        bounds: list[int] = offsets.tolist()
        rows = bounds[len(bounds) - 1]
        parts: list[Tensor] = []
        for i in range(len(bounds) - 1):
            begin, count = bounds[i], bounds[i + 1] - bounds[i]
            mask = torch.arange(count, device=q.device).unsqueeze(0) < visible[
                begin : begin + count
            ].unsqueeze(1)
            given = F.scaled_dot_product_attention(
                self._by_head(q, begin, count),
                self._by_head(k, begin, count),
                self._by_head(v, begin, count),
                mask,
            )
            parts.append(given.squeeze(0).transpose(0, 1).reshape(count, self.size))
        parts.append(torch.zeros_like(q[rows:]))
        return torch.cat(parts)

    def _by_head(self, rows: Tensor, begin: int, count: int) -> Tensor:
        """(1, heads, count, depth) of a piece."""
        piece = rows[begin : begin + count].reshape(count, self.heads, -1)
        return piece.transpose(0, 1).unsqueeze(0)


class CtTransformerStreamingNetwork(nn.Module):
    """Words to the marks behind them.

    Args:
        encoder: of rows as wide as the embeddings; its attention is replaced.
        vocabulary: words.
        embedding: width of a word's embedding.
        marks: marks that there are.
    """

    def __init__(self, encoder: SanmEncoder, vocabulary: int, embedding: int, marks: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embed = nn.Embedding(vocabulary, embedding)
        self.encoder = encoder
        self.decoder = Linear(encoder.size, marks, wide=True)
        layers = [*encoder.encoders0, *encoder.encoders]
        for number, layer in enumerate(layers):
            # A network of one layer has no last one in FunASR.
            last = 0 < number == len(layers) - 1
            layer.self_attn = _visible(layer.self_attn, _ALL if last else _BEFORE)

    def forward(self, ids: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        """The number of the best mark behind each word.

        Args:
            ids: (rows,) int64, the words of all pieces one below the other. To those that are of a
                former call the size of the vocabulary is added, if a piece has others too.
            positions: (rows,) float32, their numbers in their pieces, from 1.
            offsets: (pieces + 1,) int64 on the CPU, where each piece begins. Rows behind the last
                piece's are padding.

        Returns:
            (rows,) int64.
        """
        former = ids >= self.vocabulary
        ids = torch.where(former, ids - self.vocabulary, ids)
        x = self.encoder.embed(self.embed(ids), positions)
        visible = [positions.to(torch.int64), self.seen_at_last(former, offsets)]
        hidden = self.encoder(x, offsets, visible, offsets)
        return self.decoder(hidden).argmax(dim=-1)

    @torch.jit.export
    def seen_at_last(self, former: Tensor, offsets: Tensor) -> Tensor:
        """How many words each word sees in the last layer, (rows,) int64."""
        bounds: list[int] = offsets.tolist()
        rows = bounds[len(bounds) - 1]
        parts: list[Tensor] = []
        for i in range(len(bounds) - 1):
            piece = former[bounds[i] : bounds[i + 1]]
            # All former words but the last one.
            limited = piece & F.pad(piece[1:], [0, 1])
            everything = torch.full_like(piece, piece.size(0), dtype=torch.int64)
            parts.append(torch.where(limited, piece.sum(), everything))
        parts.append(former[rows:].to(torch.int64))
        return torch.cat(parts)


def _visible(given: SanmAttention, which: int) -> VisibleAttention:
    memory = given.fsmn_block
    kernel = memory.taps.size(0)
    return VisibleAttention(
        given.linear_q_k_v.in_features,
        given.size,
        given.heads,
        kernel,
        memory.left - (kernel - 1) // 2,
        which,
    )
