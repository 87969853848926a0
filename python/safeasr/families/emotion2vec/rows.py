"""emotion2vec as it runs: rows of samples of many utterances to rows of frames.

An utterance brings a row of samples for each of its frames, and one for each of the learned tokens
that attend beside them. Those rows come last: the first of them holds the samples that the last
frame sees beyond its own, and all of them keep utterances apart where convolutions look around.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from safeasr.families.emotion2vec.network import EPSILON, Audio, Emotion2vec, Sizes
from safeasr.nets.batch_norm import linear_of_taps
from safeasr.nets.layers import Linear, Norm

__all__ = ["EmotionRows", "hop_and_window", "slopes_of"]

#: Frames whose samples are in work at a time: 64 rows of channels are computed for each.
_ON_CPU, _ON_DEVICE = 64, 4096


def hop_and_window(convolutions: tuple[tuple[int, int, int], ...]) -> tuple[int, int]:
    """Samples from one frame to the next, and samples that a frame sees."""
    hop, window = 1, 1
    for _, kernel, stride in convolutions:
        window += (kernel - 1) * hop
        hop *= stride
    return hop, window


def slopes_of(heads: int) -> list[float]:
    """What a step of distance costs in each head: a geometric series, as ALiBi has it.

    For numbers of heads that are no power of two, every second of the next one's is put behind.
    """
    whole = 2 ** int(math.log2(heads))
    series = [2.0 ** (-8.0 * (i + 1) / whole) for i in range(whole)]
    finer = [2.0 ** (-8.0 * (i + 1) / (2 * whole)) for i in range(0, 2 * whole, 2)]
    return series + finer[: heads - whole]


def _reducible(linear: nn.Linear, wide: bool) -> Linear:
    made = Linear(
        linear.in_features, linear.out_features, bias=linear.bias is not None, wide=wide
    ).to("meta")
    made.weight, made.bias = linear.weight, linear.bias
    return made


def _conv(module: nn.Module) -> nn.Conv1d:
    found = module.get_submodule("0")
    assert isinstance(found, nn.Conv1d)
    return found


def _norm(module: nn.Module, name: str) -> Norm:
    found = module.get_submodule(name)
    assert isinstance(found, Norm)
    return found


class SampleLayer(nn.Module):
    """A convolution over rows of channels, without padding; norm; GELU."""

    def __init__(self, conv: nn.Conv1d, norm: Norm, wide: bool) -> None:
        super().__init__()
        self.kernel, self.stride = int(conv.kernel_size[0]), int(conv.stride[0])
        self.linear = _reducible(linear_of_taps(conv), wide)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Rows (n, channels before) to (m, channels), as many as there are windows."""
        channels = x.size(1)
        count = (x.size(0) - self.kernel) // self.stride + 1
        # Channels lie side by side, so what a window sees is one vector.
        taps = x.as_strided([count, self.kernel * channels], [self.stride * channels, 1])
        return torch.ops.safeasr.gelu_(self.norm(self.linear(taps.contiguous())))


class Samples(nn.Module):
    """Samples to a row of channels for each frame."""

    def __init__(self, audio: Audio, sizes: Sizes) -> None:
        super().__init__()
        # The first sees ten numbers, which are the recording itself: nothing is won there.
        self.layers = nn.ModuleList(
            SampleLayer(_conv(layer), _norm(layer, "2.1"), wide=number == 0)
            for number, layer in enumerate(audio.local_encoder.conv_layers)
        )
        hop, window = hop_and_window(sizes.convolutions)
        self.ahead = -(-(window - hop) // hop)
        self.on_cpu, self.on_device = _ON_CPU, _ON_DEVICE

    def forward(self, rows: Tensor) -> Tensor:
        """(rows, channels) of rows of samples, each with what it sees of the next ones."""
        count = rows.size(0)
        step = self.on_cpu if rows.device.type == "cpu" else self.on_device
        rows = torch.constant_pad_nd(rows, [0, 0, 0, self.ahead])
        parts: list[Tensor] = []
        for first in range(0, count, step):
            these = min(step, count - first)
            x = rows.narrow(0, first, these + self.ahead).reshape([-1, 1])
            for layer in self.layers:
                x = layer(x)
            parts.append(x.narrow(0, 0, these))
        return torch.cat(parts)


class PositionLayer(nn.Module):
    """A convolution over frames, in groups of channels; norm without weights; GELU."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        weight = conv.weight.detach().view(conv.groups, -1, *conv.weight.shape[1:])
        self.weight = nn.Parameter(weight.permute(0, 3, 2, 1).contiguous())
        assert conv.bias is not None
        self.bias = conv.bias
        self.epsilon = EPSILON

    def forward(self, x: Tensor) -> Tensor:
        x = torch.ops.safeasr.grouped_conv(x, self.weight, self.bias)
        return torch.ops.safeasr.gelu_(
            nn.functional.layer_norm(x, [x.size(1)], None, None, self.epsilon)
        )


class EmotionRows(nn.Module):
    """The program."""

    def __init__(self, network: Emotion2vec, sizes: Sizes, unused: list[int]) -> None:
        """Take over the parameters; the network is of no more use.

        Args:
            network: with its parameters.
            sizes: its sizes.
            unused: numbers of labels that no utterance gets.
        """
        super().__init__()
        audio = network.modality_encoders["AUDIO"]
        assert isinstance(audio, Audio)
        self.extra = sizes.extra_tokens
        self.samples = Samples(audio, sizes)
        self.norm = audio.project_features["1"]
        self.project = audio.project_features["2"]
        self.positions = nn.ModuleList(
            PositionLayer(_conv(one)) for one in audio.relative_positional_encoder.values()
        )
        self.tokens = nn.Parameter(audio.extra_tokens[0])
        self.first_norm = audio.context_encoder.norm
        self.blocks = nn.ModuleList([*audio.context_encoder.blocks, *network.blocks])
        self.slopes = nn.Parameter(_slopes(audio, sizes))
        weight, bias = torch.zeros(0, sizes.size), torch.zeros(0)
        if sizes.labels:
            weight, bias = network.proj.weight.detach(), network.proj.bias.detach().clone()
            bias[unused] = -torch.inf
        self.head_weight, self.head_bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(
        self, rows: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Frames, their mean, and the probabilities of labels.

        Args:
            rows: samples (rows, hop) float32.
            positions: (rows) float32, each row's number in its utterance.
            offsets: (utterances + 1) int64 on the CPU.
            neighbours: (rows, extra tokens + 1) int64, the rows from each one on, 0 where the
                utterance has ended.

        Returns:
            (rows, size), of which an utterance's last ones are those of its tokens, (utterances,
            size) and (utterances, labels), all float32.
        """
        behind = (neighbours > 0).sum(1) - 1
        frames = behind >= self.extra
        mask = frames.unsqueeze(1).to(rows.dtype)
        x = self.project(self.norm(self.samples(rows))) * mask
        near = x
        for layer in self.positions:
            near = layer(near) * mask
        token = (self.extra - 1 - behind).clamp(0, self.extra - 1)
        x = torch.where(frames.unsqueeze(1), x + near, self.tokens.index_select(0, token))
        x = self.first_norm(x)
        places = torch.where(frames, positions, -1.0)
        for number, block in enumerate(self.blocks):
            x = block(x, offsets, places, self.slopes[number])
        ends: list[int] = offsets.tolist()
        # Here and not in a method: where a loop of one throws, torch 2.13's interpreter crashes.
        each: list[Tensor] = []
        for i in range(len(ends) - 1):
            each.append(x.narrow(0, ends[i], ends[i + 1] - ends[i] - self.extra).mean(0))
        means = torch.stack(each)
        # Not by a linear layer, which multiplies a single row in another way than several.
        scores = (means.unsqueeze(1) * self.head_weight).sum(2) + self.head_bias
        return x, means, torch.softmax(scores, dim=1)


def _slopes(audio: Audio, sizes: Sizes) -> Tensor:
    """What a step costs in each head of each block, (blocks, heads)."""
    blocks = sizes.first_blocks + sizes.blocks
    found = torch.zeros(blocks, sizes.heads)
    if sizes.alibi is not None:
        scale = audio.alibi_scale.detach().clamp(min=0).flatten(1)
        placed = torch.tensor(slopes_of(sizes.alibi_heads)) * scale
        found[:, : sizes.alibi_heads] = placed.expand(blocks, -1)
    return found
