"""The encoder of Paraformer-large as AOTInductor's compiler takes it.

Two ways to write the same network with the same weights. "operators": attention and memory are
safeasr's own operators, norms plain tensor operations, so that Inductor can fuse them with the sums
before them. "plain": nothing of our own at all. A plain network cannot take a ragged batch; it
takes utterances of one length, (utterances, rows, size), which spares it masks and padding: the
best that it can meet.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.cpp_extension import load

from benchmarks.common.models import CONFIG
from safeasr.families.paraformer.network import EncoderProgram
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.layers import FsmnMemory, Norm
from safeasr.nets.precision import narrow
from safeasr.nets.sanm_encoder import SanmAttention, SanmEncoder, SanmEncoderLayer

FEATURES = 560
WRITINGS = ("operators", "plain")


def encoder(precision: str, blocks: int) -> EncoderProgram:
    """Seeded random weights, such that rows keep their size over the layers."""
    conf = {**CONFIG["encoder_conf"], "num_blocks": blocks}
    names = (
        "output_size",
        "attention_heads",
        "linear_units",
        "num_blocks",
        "kernel_size",
        "sanm_shfit",
        "input_layer",
    )
    torch.manual_seed(0)
    network = EncoderProgram(
        SanmEncoder(FEATURES, **{name: conf[name] for name in names}), CifWeights(512, 1, 1)
    )
    for module in network.modules():
        if isinstance(module, Norm):
            nn.init.normal_(module.weight, 1.0, 0.1)
            nn.init.normal_(module.bias, 0.0, 0.1)
        elif isinstance(module, FsmnMemory):
            nn.init.normal_(module.taps, 0.0, 0.05)
    narrow(network, precision)
    return network.eval().requires_grad_(False)


class _PlainNorm(nn.Module):
    """Norm in tensor operations, in every precision."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.epsilon, self.narrow = norm.epsilon, norm.reduced and norm.narrow

    def forward(self, x: Tensor) -> Tensor:
        normed = F.layer_norm(x.float(), [x.size(-1)], self.weight, self.bias, self.epsilon)
        return normed.bfloat16() if self.narrow else normed

    def add(self, x: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
        total = x + update.float()
        return total, self(total)


def with_plain_norms(network: EncoderProgram) -> EncoderProgram:
    """A copy whose norms Inductor can see into; the weights are shared."""
    made = copy.deepcopy(network, {id(one): one for one in _tensors(network)})
    for module in list(made.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Norm):
                setattr(module, name, _PlainNorm(child))
    return made


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


class PlainEncoder(nn.Module):
    """The encoder without operators of our own, for utterances of one length."""

    def __init__(self, network: EncoderProgram) -> None:
        super().__init__()
        self.network = with_plain_norms(network)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (utterances, rows, size) to hidden (..., size) and alphas (utterances, rows)."""
        net: Any = self.network.encoder
        x = features * net.scale + _positions(features)
        update = x
        for layer in [*net.encoders0, *net.encoders]:
            x, update = self._layer(layer, x, update)
        hidden = net.after_norm.add(x, update)[1]
        return hidden, self._weights(hidden)

    def _layer(self, layer: Any, x: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(layer, SanmEncoderLayer)
        if layer.residual:
            x, normed = layer.norm1.add(x, update)
        else:
            normed = layer.norm1(x)
        memory, update = self._attention(layer.self_attn, normed, x if layer.residual else None)
        x, normed = layer.norm2.add(memory, update)
        return x, layer.feed_forward(normed)

    def _attention(
        self, layer: SanmAttention, x: Tensor, residual: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        q, k, v = layer.linear_q_k_v(x).split(layer.size, dim=-1)
        taps, wide = layer.fsmn_block.taps, v.float()
        kernel, left = taps.size(0), layer.fsmn_block.left
        # A sum of shifted rows, which Inductor fuses into one loop with what surrounds it.
        padded = F.pad(wide, (0, 0, left, kernel - 1 - left))
        memory = wide
        for place in range(kernel):
            memory = memory + padded[:, place : place + x.size(1)] * taps[place]
        if residual is not None:
            memory = memory + residual

        def heads(rows: Tensor) -> Tensor:
            return rows.unflatten(-1, (layer.heads, -1)).transpose(1, 2)

        attended = F.scaled_dot_product_attention(heads(q), heads(k), heads(v))
        return memory, layer.linear_out(attended.transpose(1, 2).flatten(2))

    def _weights(self, hidden: Tensor) -> Tensor:
        predictor = self.network.predictor
        rows = hidden.size(1)
        padded = F.pad(hidden, (0, 0, 1, 1))
        seen = torch.cat([padded[:, place : place + rows] for place in range(3)], dim=-1)
        taps = predictor.cif_conv1d.weight.permute(0, 2, 1).flatten(1)
        x = torch.relu(F.linear(seen, taps, predictor.cif_conv1d.bias))
        weights = torch.sigmoid(predictor.cif_output(x).squeeze(-1))
        return torch.relu(weights * predictor.smooth_factor - predictor.noise_threshold)


def _positions(features: Tensor) -> Tensor:
    """FunASR's sinusoids: sines, then cosines, of row numbers from 1."""
    half = features.size(2) // 2
    steps = torch.arange(half, dtype=torch.float32)
    rates = torch.exp(steps * (-torch.log(torch.tensor(10000.0)) / (half - 1)))
    angles = torch.arange(1, features.size(1) + 1, dtype=torch.float32)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


@dataclass(frozen=True)
class Batch:
    """Utterances of one length, as each writing takes them.

    Attributes:
        utterances: how many.
        rows: of each.
    """

    utterances: int
    rows: int

    def features(self) -> Tensor:
        """(utterances, rows, size), the same for the same batch."""
        generator = torch.Generator().manual_seed(self.utterances * self.rows)
        return torch.randn(self.utterances, self.rows, FEATURES, generator=generator)

    def ragged(self) -> tuple[Tensor, ...]:
        """What EncoderProgram takes."""
        return ragged(list(self.features()))


def ragged(utterances: list[Tensor], step: int = 1) -> tuple[Tensor, ...]:
    """What EncoderProgram takes, of utterances (rows, size) of any lengths.

    Args:
        utterances: their features.
        step: rows of nobody are added up to a multiple of this.
    """
    counts = [len(one) for one in utterances]
    offsets = torch.tensor([0, *counts]).cumsum(0)
    seen = []
    for count, first in zip(counts, offsets.tolist(), strict=False):
        around = torch.arange(count)[:, None] + torch.arange(-1, 2)
        seen.append(torch.where((around >= 0) & (around < count), around + first + 1, 0))
    missing = -sum(counts) % step
    positions = torch.cat(
        [*(torch.arange(1.0, count + 1) for count in counts), torch.ones(missing)]
    )
    features = F.pad(torch.cat(utterances), (0, 0, 0, missing))
    return features, positions, offsets, F.pad(torch.cat(seen), (0, 0, 0, missing))


@functools.cache
def load_operators() -> None:
    """Build and load operators.cc; say what shapes and types its operators give."""
    load(
        "safeasr_aot",
        [str(Path(__file__).with_name("operators.cc"))],
        extra_cflags=["-O2"],
        is_python_module=False,
    )

    def attention(q: Tensor, *_: Any) -> Tensor:
        return q.new_empty(q.shape)

    def memory(x: Tensor, *_: Any) -> Tensor:
        return x.new_empty(x.shape, dtype=torch.float32)

    def positions(x: Tensor, size: int) -> Tensor:
        return x.new_empty(x.size(0), size)

    def weights(x: Tensor, *_: Any) -> Tensor:
        return x.new_empty(x.size(0))

    for fake in (attention, memory, positions, weights):
        torch.library.register_fake(f"safeasr_aot::{fake.__name__}", fake)


class OperatorEncoder(nn.Module):
    """The encoder with our operators for attention, memory, positions and CIF weights.

    Norms are plain, so that Inductor fuses them with the sums before them.
    """

    def __init__(self, network: EncoderProgram) -> None:
        super().__init__()
        self.network = with_plain_norms(network)

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As EncoderProgram."""
        net: Any = self.network.encoder
        ops: Any = torch.ops.safeasr_aot
        x = features * net.scale + ops.positions(positions, features.size(1))
        update = x
        for layer in [*net.encoders0, *net.encoders]:
            if layer.residual:
                x, normed = layer.norm1.add(x, update)
            else:
                normed = layer.norm1(x)
            own = layer.self_attn
            q, k, v = own.linear_q_k_v(normed).split(own.size, dim=-1)
            block = own.fsmn_block
            residual = x if layer.residual else None
            memory = ops.memory(v, block.taps, block.left, offsets, residual)
            update = own.linear_out(ops.attention(q, k, v, own.heads, offsets))
            x, normed = layer.norm2.add(memory, update)
            update = layer.feed_forward(normed)
        hidden = net.after_norm.add(x, update)[1]
        predictor = self.network.predictor
        padded = torch.cat([torch.zeros_like(hidden[:1]), hidden])
        seen = padded.index_select(0, neighbours.flatten()).view(hidden.size(0), -1)
        taps = predictor.cif_conv1d.weight.permute(0, 2, 1).flatten(1)
        x = torch.relu(F.linear(seen, taps, predictor.cif_conv1d.bias))
        out = predictor.cif_output
        return hidden, ops.weights(
            x, out.weight, out.bias, predictor.smooth_factor, predictor.noise_threshold
        )


def exported(network: EncoderProgram, writing: str) -> torch.export.ExportedProgram:
    """The network as torch.export sees it, for any number of rows and utterances."""
    rows = torch.export.Dim("rows", min=2, max=4096)
    batch = torch.export.Dim("batch", min=1, max=64)
    if writing == "plain":
        return torch.export.export(
            PlainEncoder(network), (Batch(2, 84).features(),), dynamic_shapes=({0: batch, 1: rows},)
        )
    load_operators()
    ends = torch.export.Dim("ends", min=2, max=64)
    return torch.export.export(
        OperatorEncoder(network),
        Batch(2, 84).ragged(),
        dynamic_shapes=({0: rows}, {0: rows}, {0: ends}, {0: rows}),
    )
