"""The head of FunASR's ``CifPredictorV3`` that tells times: CIF weights at a finer step.

The network part only; they are scaled and integrated in C++ (csrc/asr/decode/upsampled_cif.h).
Always in float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear
from safeasr.nets.ragged_lstm import RaggedLstm

__all__ = ["UpsampledCif", "UpsampledParameters"]


class UpsampledParameters(nn.Module):
    """The head's parameters as checkpoints have them.

    Args:
        idim: hidden size.
        upsample_times: steps of a row.
    """

    def __init__(self, idim: int, upsample_times: int) -> None:
        super().__init__()
        self.upsample_cnn = nn.ConvTranspose1d(idim, idim, upsample_times, upsample_times)
        self.blstm = nn.LSTM(idim, idim, 1, batch_first=True, bidirectional=True)
        self.cif_output2 = nn.Linear(idim * 2, 1)


class UpsampledCif(nn.Module):
    """Hidden vectors to weights of steps.

    Args:
        given: with the checkpoint's weights.
        smooth_factor2: factor on the sigmoid.
        noise_threshold2: what is subtracted before the ReLU.
    """

    def __init__(
        self,
        given: UpsampledParameters,
        smooth_factor2: float = 1.0,
        noise_threshold2: float = 0.0,
    ) -> None:
        super().__init__()
        self.smooth_factor = float(smooth_factor2)
        self.noise_threshold = float(noise_threshold2)
        size, _, self.times = given.upsample_cnn.weight.shape
        # A transposed convolution whose stride is its kernel makes each row into `times` rows.
        self.upsample = Linear(size, size * self.times, wide=True)
        found = {n: value.detach().float() for n, value in given.upsample_cnn.named_parameters()}
        taps = found["weight"].permute(2, 1, 0)  # from (in, out, times)
        self.upsample.load_state_dict(
            {
                "weight": taps.reshape(-1, size).contiguous(),
                "bias": found["bias"].repeat(self.times),
            },
            assign=True,
        )
        self.blstm = RaggedLstm(given.blstm)
        self.cif_output2 = given.cif_output2

    def forward(self, hidden: Tensor, offsets: Tensor) -> Tensor:
        """Weights (rows * times,) of hidden vectors (rows, idim).

        ``offsets``: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.
        """
        steps = self.upsample(hidden).view(hidden.size(0) * self.times, -1)
        x = self.blstm(steps, offsets * self.times)
        return torch.ops.safeasr.cif_weights(
            x,
            self.cif_output2.weight,
            self.cif_output2.bias,
            self.smooth_factor,
            self.noise_threshold,
        )
