"""Silero VAD's network: the spectrum of a window, convolutions, an LSTM from window to window.

Parameters are named as in the package ``silero-vad``, which has one network for 16 kHz and one for
8 kHz (https://github.com/snakers4/silero-vad).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from safeasr.nets.batch_norm import linear_of_taps
from safeasr.nets.ragged_lstm import RaggedLstm

__all__ = ["SIZES", "STATE_ROWS", "UNITS", "SileroRows", "SileroVad", "Sizes"]

#: Of the LSTM.
UNITS = 128
#: Rows of a request before its windows: what the LSTM remembers, hidden and cell.
STATE_ROWS = 2
_STRIDES = (1, 2, 2, 1)


@dataclass(frozen=True)
class Sizes:
    """Of the network for one rate.

    Attributes:
        prefix: of its parameters.
        window: samples that are new in each window.
        context: samples before them that it sees again.
        filter_size: samples of a spectrum.
        hop: samples from one to the next.
    """

    prefix: str
    window: int
    context: int
    filter_size: int
    hop: int

    @property
    def row(self) -> int:
        """Samples of a window with its context."""
        return self.context + self.window


#: By the rate in Hz.
SIZES = {
    16000: Sizes("_model.", window=512, context=64, filter_size=256, hop=128),
    8000: Sizes("_model_8k.", window=256, context=32, filter_size=128, hop=64),
}


class _Spectrum(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("forward_basis_buffer", torch.empty(size + 2, 1, size))


class SileroVad(nn.Module):
    """All parameters."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        bins = sizes.filter_size // 2 + 1
        self.stft = _Spectrum(sizes.filter_size)
        channels = ((bins, 128), (128, 64), (64, 64), (64, UNITS))
        self.encoder = nn.ModuleList(
            nn.ModuleDict({"reparam_conv": nn.Conv1d(before, after, 3, stride, padding=1)})
            for (before, after), stride in zip(channels, _STRIDES, strict=True)
        )
        self.decoder = nn.ModuleDict(
            {
                "rnn": nn.LSTMCell(UNITS, UNITS),
                "decoder": nn.ModuleDict({"2": nn.Conv1d(UNITS, 1, 1)}),
            }
        )


class _Taps(nn.Module):
    """A convolution over three spectra, and a ReLU."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.linear = linear_of_taps(conv)
        self.stride = int(conv.stride[0])

    def forward(self, x: Tensor) -> Tensor:
        """(windows, times, channels) to (windows, times / stride, channels)."""
        count = (x.size(1) - 1) // self.stride + 1
        padded = F.pad(x, [0, 0, 1, 1])
        last = self.stride * (count - 1) + 1
        taps = [padded[:, i : i + last : self.stride] for i in range(3)]
        return torch.relu(self.linear(torch.cat(taps, dim=2)))


def _lstm_of(cell: nn.LSTMCell) -> nn.LSTM:
    made = nn.LSTM(cell.input_size, cell.hidden_size, device="meta")
    made.load_state_dict(
        {f"{name}_l0": value for name, value in cell.state_dict().items()}, assign=True
    )
    return made


class SileroRows(nn.Module):
    """The program: windows of many recordings to the probability of speech in each."""

    def __init__(self, network: SileroVad, sizes: Sizes) -> None:
        """Take over the parameters; the network is of no more use."""
        super().__init__()
        basis = network.stft.get_buffer("forward_basis_buffer").squeeze(1)
        self.size, self.hop = sizes.filter_size, sizes.hop
        self.bins = sizes.filter_size // 2 + 1
        self.basis = nn.Linear(self.size, 2 * self.bins, bias=False, device="meta")
        self.basis.weight = nn.Parameter(basis)
        self.layers = nn.ModuleList(
            _Taps(_conv(layer, "reparam_conv")) for layer in network.encoder
        )
        rnn = network.decoder.get_submodule("rnn")
        assert isinstance(rnn, nn.LSTMCell)
        self.lstm = RaggedLstm(_lstm_of(rnn))
        last = _conv(network.decoder, "decoder.2")
        assert last.bias is not None
        self.weight = nn.Parameter(last.weight.flatten())
        self.bias = nn.Parameter(last.bias)
        self.units, self.state_rows = UNITS, STATE_ROWS

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (rows), and what the LSTM remembers (requests, 2, units).

        Args:
            rows: (rows, samples of a window) float32. A request's first two hold what the LSTM
                remembers of the windows before, in their first numbers.
            positions: (rows) float32, each row's number in its request.
            offsets: (requests + 1) int64 on the CPU.
        """
        x = F.pad(rows, [0, self.hop // 2], mode="reflect").unfold(1, self.size, self.hop)
        parts = self.basis(x.contiguous()).split(self.bins, dim=2)
        x = torch.sqrt(parts[0] * parts[0] + parts[1] * parts[1])
        for layer in self.layers:
            x = layer(x)
        of_state = (positions <= self.state_rows).unsqueeze(1)
        x = torch.where(of_state, rows[:, : self.units], x.squeeze(1))
        hidden = self.lstm.resumed(x, offsets)
        scores = (torch.relu(hidden) * self.weight).sum(1) + self.bias
        # In double, so that the last bit in float32 does not depend on who else is there.
        speech = torch.sigmoid(scores.double()).float()
        ends: list[int] = offsets.tolist()
        states = [hidden.narrow(0, first, self.state_rows) for first in ends[:-1]]
        return speech, torch.stack(states)


def _conv(module: nn.Module, name: str) -> nn.Conv1d:
    found = module.get_submodule(name)
    assert isinstance(found, nn.Conv1d)
    return found
