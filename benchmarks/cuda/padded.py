"""The same network in FunASR's way: eager torch, a padded batch, masks, a kernel an operator.

For comparison where FunASR itself is not installed. It takes the modules of safeasr's networks (so
the weights are the same ones), and none of safeasr's operators.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common.models import VOCABULARY
from benchmarks.cuda.seeded import FEATURES, described
from safeasr import _ext
from safeasr.bundles.model_dir import read_weights
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer.export import build_networks


def _norm(layer: nn.Module, x: Tensor) -> Tensor:
    return F.layer_norm(x, [layer.size], layer.weight, layer.bias, layer.epsilon)


def _memory(layer: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """FSMN memory of (B, T, D): a depthwise convolution of the masked rows, plus them."""
    x = x * mask
    kernel = layer.taps.t().unsqueeze(1)
    padded = F.pad(x.transpose(1, 2), (layer.left, kernel.size(2) - 1 - layer.left))
    return (F.conv1d(padded, kernel, groups=kernel.size(0)).transpose(1, 2) + x) * mask


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor) -> Tensor:
    """Attention of (B, T, D), mask (B, 1, 1, keys) True where there is a key."""

    def split(x: Tensor) -> Tensor:
        return x.unflatten(2, (heads, -1)).transpose(1, 2)

    q, k, v = split(q), split(k), split(v)
    scores = torch.matmul(q * q.size(-1) ** -0.5, k.transpose(2, 3))
    weights = torch.softmax(scores.masked_fill(~mask, -float("inf")), dim=-1)
    return torch.matmul(weights, v).transpose(1, 2).flatten(2)


def _feed(layer: nn.Module, x: Tensor) -> Tensor:
    return layer.w_2(torch.relu(F.linear(x, layer.w_1.weight, layer.w_1.bias)))


def _positions(count: int, size: int) -> Tensor:
    """FunASR's sinusoids of rows 1 to ``count``: sines, then cosines."""
    steps = torch.arange(size // 2) * -(math.log(10000.0) / (size / 2 - 1))
    angles = torch.arange(1.0, count + 1).unsqueeze(1) * torch.exp(steps)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class PaddedParaformer:
    """Wave arrays to token ids, a list at a time.

    Args:
        small: which of the seeded models.
        dtype: of all that is computed but CIF.
        device: torch's name.
    """

    def __init__(self, small: bool, dtype: torch.dtype, device: str) -> None:
        model = described("paraformer", small)
        weights = read_weights(model.checkpoint)
        encoder, decoder = build_networks(model.config, weights, FEATURES, len(VOCABULARY))
        for network in (encoder, decoder):
            network.eval().requires_grad_(False).to(device=device, dtype=dtype)
        conf: dict[str, Any] = model.config["predictor_conf"]
        self._encoder, self._predictor = encoder.encoder, encoder.predictor
        self._decoder = decoder.decoder
        self._span = int(conf["l_order"]), int(conf["r_order"])
        self._tail = float(conf["tail_threshold"])
        self._frontend = _ext.Frontend(**offline_frontend("", model))
        self._dtype, self._device = dtype, device
        #: Seconds spent on features so far: safeasr's own, on one core.
        self.features_s = 0.0

    def _pad(self, waves: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
        features, lengths = self._frontend.compute(list(waves))
        return torch.from_numpy(np.array(features)), torch.from_numpy(np.array(lengths)).long()

    def encode(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden vectors (B, T, D), CIF weights (B, T), and which rows there are (B, T, 1)."""
        places = torch.arange(features.size(1), device=features.device)
        there = (places < lengths.unsqueeze(1)).unsqueeze(2)
        mask = there.to(self._dtype)
        keys = there.transpose(1, 2).unsqueeze(1)
        encoder = self._encoder
        x = features.to(self._dtype) * encoder.scale
        x = x + _positions(features.size(1), features.size(2)).to(x)
        for layer in (*encoder.encoders0, *encoder.encoders):
            attention = layer.self_attn
            q, k, v = attention.linear_q_k_v(_norm(layer.norm1, x)).chunk(3, dim=-1)
            memory = _memory(attention.fsmn_block, v, mask)
            attended = attention.linear_out(_attend(q, k, v, attention.heads, keys)) + memory
            x = x + attended if layer.residual else attended
            x = x + _feed(layer.feed_forward, _norm(layer.norm2, x))
        hidden = _norm(encoder.after_norm, x)
        predictor = self._predictor
        seen = F.pad((hidden * mask).transpose(1, 2), self._span)
        seen = torch.relu(predictor.cif_conv1d(seen)).transpose(1, 2)
        odds = predictor.cif_output(seen).float().sigmoid().squeeze(2)
        alphas = torch.relu(odds * predictor.smooth_factor - predictor.noise_threshold)
        return hidden, alphas * there.squeeze(2), there

    def _fire(
        self, hidden: Tensor, alphas: Tensor, lengths: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Token embeddings (B, N, D) and how many each utterance has: asr/decode/cif.h in torch."""
        weights = F.pad(alphas.double(), (0, 1)).scatter(1, lengths.unsqueeze(1), self._tail)
        ends = weights.cumsum(1)
        counts = ends[:, -1].floor().long()
        tokens = torch.arange(max(int(counts.max()), 1), device=hidden.device)
        low, high = (ends - weights).unsqueeze(1), ends.unsqueeze(1)
        place = tokens.double().view(1, -1, 1)
        shares = torch.minimum(high, place + 1) - torch.maximum(low, place)
        shares = shares.clamp(min=0)[:, :, :-1].to(self._dtype)
        # The tail's weight falls on a row of padding, which has no part in a token.
        return torch.matmul(shares, hidden * there.to(hidden)), counts

    def decode(self, tokens: Tensor, counts: Tensor, hidden: Tensor, there: Tensor) -> Tensor:
        """Scores (B, N, vocabulary)."""
        places = torch.arange(tokens.size(1), device=tokens.device)
        mask = (places < counts.unsqueeze(1)).unsqueeze(2).to(self._dtype)
        keys = there.transpose(1, 2).unsqueeze(1)
        decoder, x = self._decoder, tokens

        def fed(layer: nn.Module, x: Tensor) -> Tensor:
            inner, x = layer.feed_forward, _norm(layer.norm1, x)
            x = torch.relu(F.linear(x, inner.w_1.weight, inner.w_1.bias))
            return inner.w_2(_norm(inner.norm, x))

        for layer in decoder.decoders:
            y = _norm(layer.norm2, fed(layer, x))
            x = x + _memory(layer.self_attn.fsmn_block, y, mask)
            attention = layer.src_attn
            k, v = attention.linear_k_v(hidden).chunk(2, dim=-1)
            q = attention.linear_q(_norm(layer.norm3, x))
            x = x + attention.linear_out(_attend(q, k, v, attention.heads, keys))
        for layer in decoder.decoders3:
            x = fed(layer, x)
        return decoder.output_layer(_norm(decoder.after_norm, x))

    @torch.inference_mode()
    def transcribe(self, waves: Sequence[NDArray[np.float32]]) -> list[list[int]]:
        """Token ids of each utterance, samples (n,) at 16 kHz."""
        began = time.perf_counter()
        features, lengths = self._pad(waves)
        self.features_s += time.perf_counter() - began
        features, lengths = features.to(self._device), lengths.to(self._device)
        hidden, alphas, there = self.encode(features, lengths)
        tokens, counts = self._fire(hidden, alphas, lengths, there)
        ids = self.decode(tokens, counts, hidden, there).argmax(-1).tolist()
        return [one[:count] for one, count in zip(ids, counts.tolist(), strict=True)]
