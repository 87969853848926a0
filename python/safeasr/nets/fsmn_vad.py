"""FSMN scorer of voice activity detection; FunASR's ``FSMN`` encoder without look-ahead.

Source: Zhang et al., 2018 (https://arxiv.org/abs/1803.05030);
``funasr/models/fsmn_vad_streaming/encoder.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import FsmnMemory


class Projection(nn.Module):
    """A linear layer under the name that it has in FunASR's checkpoints."""

    def __init__(self, in_size: int, out_size: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(in_size, out_size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class FsmnVadLayer(nn.Module):
    """Project down, remember, project up.

    Args:
        linear_dim: size of input and output.
        proj_dim: size of the memory.
        span: frames that the memory covers, the present one included.
    """

    def __init__(self, linear_dim: int, proj_dim: int, span: int) -> None:
        super().__init__()
        self.linear = Projection(linear_dim, proj_dim, bias=False)
        # As many frames further into the past as there are: nothing of the future.
        self.fsmn_block = FsmnMemory(proj_dim, span, span - 1 - (span - 1) // 2)
        self.affine = Projection(proj_dim, linear_dim)

    def forward(self, x: Tensor, past: Tensor, newest: Tensor) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            x: (batch, frames, linear_dim).
            past: (batch, span - 1, proj_dim), the frames before in the memory's terms.
            newest: (batch, span - 1, 1) int64, which frames of ``past`` and ``x`` one after the
                other are the past of the next step.

        Returns:
            The output, like ``x``, and the past of the next step, like ``past``.
        """
        frames = torch.cat([past, self.linear(x)], dim=1)
        remembered = self.fsmn_block(frames, None, None)[:, past.size(1) :]
        out = torch.relu(self.affine(remembered))
        return out, frames.gather(1, newest.expand(-1, -1, frames.size(2)))


class FsmnVadScorer(nn.Module):
    """Features to the probabilities of the acoustic classes, frame by frame, some of them silence.

    Args:
        input_dim: feature size.
        input_affine_dim: size after the first layer.
        fsmn_layers: layers with a memory.
        linear_dim: size between them.
        proj_dim: size of the memories.
        lorder: taps of a memory.
        lstride: frames from one tap to the next.
        output_affine_dim: size before the last layer.
        output_dim: classes.
        use_softmax: False: the scores are logits.
    """

    def __init__(
        self,
        input_dim: int,
        input_affine_dim: int,
        fsmn_layers: int,
        linear_dim: int,
        proj_dim: int,
        lorder: int,
        lstride: int,
        output_affine_dim: int,
        output_dim: int,
        use_softmax: bool = True,
    ) -> None:
        super().__init__()
        self.use_softmax = use_softmax
        self.past = (lorder - 1) * lstride
        self.in_linear1 = Projection(input_dim, input_affine_dim)
        self.in_linear2 = Projection(input_affine_dim, linear_dim)
        self.fsmn = nn.ModuleList(
            [FsmnVadLayer(linear_dim, proj_dim, self.past + 1) for _ in range(fsmn_layers)]
        )
        self.out_linear1 = Projection(linear_dim, output_affine_dim)
        self.out_linear2 = Projection(output_affine_dim, output_dim)

    def forward(self, features: Tensor, lengths: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """Score a padded batch of pieces of streams.

        Nothing looks ahead, so padding behind a piece has no influence on it, and neither has the
        place where a stream was cut.

        Args:
            features: (batch, frames, input_dim) float32.
            lengths: (batch,) int64, real frames of each row.
            cache: (batch, fsmn_layers, (lorder - 1) * lstride, proj_dim) float32, what the step
                before returned; zeros at the beginning of a stream.

        Returns:
            Scores (batch, frames, output_dim), of no meaning beyond a row's length; and the cache
            of the next step.
        """
        steps = torch.arange(self.past, device=lengths.device)
        newest = (lengths.unsqueeze(1) + steps.unsqueeze(0)).unsqueeze(2)
        x = torch.relu(self.in_linear2(self.in_linear1(features)))
        caches: list[Tensor] = []
        for index, layer in enumerate(self.fsmn):
            x, kept = layer(x, cache[:, index], newest)
            caches.append(kept)
        scores = self.out_linear2(self.out_linear1(x))
        if self.use_softmax:
            scores = torch.softmax(scores, dim=-1)
        return scores, torch.stack(caches, dim=1)
