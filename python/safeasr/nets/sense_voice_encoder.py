"""SenseVoice's encoder; FunASR's ``SenseVoiceEncoderSmall``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Norm
from safeasr.nets.sanm_encoder import SanmEncoderLayer

__all__ = ["SenseVoiceEncoder"]


class SenseVoiceEncoder(nn.Module):
    """FunASR's ``SenseVoiceEncoderSmall``: ``num_blocks`` layers, a norm, ``tp_blocks`` more.

    Args:
        input_size: feature size.
        output_size: hidden size.
        attention_heads: heads of each layer.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers before the first norm; the first changes the size.
        tp_blocks: layers between the two norms.
        kernel_size: span of the FSMN memory in frames.
        sanm_shfit: shift of the memory (FunASR's spelling).
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 256,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        tp_blocks: int = 0,
        kernel_size: int = 11,
        sanm_shfit: int = 0,
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(output_size)

        def layers(count: int, in_size: int) -> nn.ModuleList:
            return nn.ModuleList(
                SanmEncoderLayer(
                    in_size, output_size, attention_heads, linear_units, kernel_size, sanm_shfit
                )
                for _ in range(count)
            )

        self.encoders0 = layers(1, input_size)
        self.encoders = layers(num_blocks - 1, output_size)
        self.tp_encoders = layers(tp_blocks, output_size)
        self.after_norm = Norm(output_size, wide=True)
        self.tp_norm = Norm(output_size, wide=True)
        for module in self.modules():
            if isinstance(module, Norm):
                module.epsilon = 1e-5  # unlike FunASR's other transformers

    def forward(self, x: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        """Encode a ragged batch.

        Args:
            x: (rows, input_size) float32, of all utterances one below the other.
            positions: (rows,) float32, numbers of the rows in their utterances, from 1.
            offsets: (utterances + 1,) int64 on the CPU, where each utterance's rows begin.

        Returns:
            (rows, output_size) float32.
        """
        none: list[Tensor] = []
        x = x * self.scale + torch.ops.safeasr.encode_positions(positions, x.size(1))
        update = x
        for layer in self.encoders0:
            x, update = layer.first(x, offsets, none, offsets, 0)  # type: ignore[operator]
        for layer in self.encoders:
            x, update = layer(x, update, offsets, none, offsets, 0)
        x = self.after_norm.add(x, update)[1]
        update = torch.zeros_like(x)
        for layer in self.tp_encoders:
            x, update = layer(x, update, offsets, none, offsets, 0)
        return self.tp_norm.add(x, update)[1]
