"""EParaformer's programs.

Its predictor, "parallel integrate and fire" (Zou et al., "E-Paraformer", Interspeech 2024), has
CIF's weights of frames, but no loop: a token is made of all frames, the less of each the further
its place is from the token's. The runner that all offline Paraformers share counts the tokens, by
CIF; what else it integrates is not used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder

__all__ = ["PifDecoderProgram", "PifEncoderProgram", "PifParameters"]


class PifParameters(CifWeights):
    """FunASR's ``PifPredictor``, and its weights of frames: by a convolution of single channels.

    ``sigma_heads`` are the parts of a vector, each with a window of its own.
    """

    def __init__(
        self,
        idim: int,
        l_order: int,
        r_order: int,
        smooth_factor: float = 1.0,
        noise_threshold: float = 0.0,
        sigma_heads: int = 4,
    ) -> None:
        super().__init__(idim, l_order, r_order, smooth_factor, noise_threshold)
        self.cif_conv1d = nn.Conv1d(idim, idim, l_order + r_order + 1, groups=idim)
        self.sigma = nn.Parameter(torch.zeros(sigma_heads))
        self.bias = nn.Parameter(torch.zeros(sigma_heads))

    def forward(self, hidden: Tensor, neighbours: Tensor) -> Tensor:
        """Weights (rows,) of hidden vectors (rows, idim); arguments as in ``CifWeights``."""
        taps = self.cif_conv1d.weight.squeeze(1).t()
        bias = self.cif_conv1d.bias
        assert bias is not None
        around = (self.seen(hidden, neighbours) * taps).sum(1)
        return self.alphas(torch.relu(around + bias + hidden))


class PifEncoderProgram(nn.Module):
    """Features of recordings to hidden vectors with their places, and CIF weights."""

    def __init__(self, encoder: SanmEncoder, predictor: PifParameters) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode a ragged batch; arguments as in Paraformer's ``EncoderProgram``.

        Returns:
            hidden (rows, size + 1), whose last column says how many tokens were said up to a row,
            alphas (rows,).
        """
        caches: list[Tensor] = []
        x = self.encoder.embed(features, positions)
        hidden = self.encoder(x, offsets, caches, offsets)
        alphas = self.predictor(hidden, neighbours)
        places: list[Tensor] = []
        for i in range(offsets.size(0) - 1):
            own = alphas[int(offsets[i]) : int(offsets[i + 1])]
            total = own.sum()
            # Scaled so that a whole number of tokens is said.
            places.append((own * (total.round() / total)).cumsum(0))
        places.append(torch.zeros_like(alphas[int(offsets[-1]) :]))
        return torch.cat([hidden, torch.cat(places).unsqueeze(1)], dim=1), alphas


class PifDecoderProgram(nn.Module):
    """Numbers of recordings' tokens, and their frames, to token ids."""

    def __init__(self, decoder: ParaformerDecoder, sigma: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.decoder = decoder
        self.at_a_time = 256  # tokens whose windows are computed
        self.sigma = nn.Parameter(sigma.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(
        self, embeddings: Tensor, offsets: Tensor, memory: Tensor, memory_offsets: Tensor
    ) -> Tensor:
        """Most probable tokens (tokens,) int64; arguments as in ParaformerDecoder.

        ``embeddings`` says how many there are, and where; ``memory`` has the places.
        """
        hidden = memory[:, :-1].contiguous()
        windows: list[Tensor] = []
        for i in range(offsets.size(0) - 1):
            first, last = int(memory_offsets[i]), int(memory_offsets[i + 1])
            count = int(offsets[i + 1]) - int(offsets[i])
            windows.append(self._windows(hidden[first:last], memory[first:last, -1], count))
        padding = embeddings.size(0) - int(offsets[-1])
        windows.append(torch.zeros_like(embeddings[:padding, :-1]))
        none: list[Tensor] = []
        scores = self.decoder(
            torch.cat(windows), offsets, hidden, memory_offsets, none, offsets, none, none
        )
        return scores.argmax(dim=-1)

    def _windows(self, hidden: Tensor, places: Tensor, count: int) -> Tensor:
        """Embeddings (count, size) of an utterance's tokens."""
        heads = self.sigma.size(0)
        values = hidden.view(hidden.size(0), heads, -1).transpose(0, 1)
        parts: list[Tensor] = []
        for begin in range(0, count, self.at_a_time):
            end = min(count, begin + self.at_a_time)
            middles = 0.5 + torch.arange(begin, end, dtype=hidden.dtype, device=hidden.device)
            apart = (middles.unsqueeze(1) - places.unsqueeze(0)) * self.sigma.view(-1, 1, 1)
            shares = (self.bias.view(-1, 1, 1) - apart * apart).softmax(dim=-1)
            parts.append(torch.matmul(shares, values).transpose(0, 1).reshape(end - begin, -1))
        if count == 0:
            return torch.zeros_like(hidden[:0])
        return torch.cat(parts)
