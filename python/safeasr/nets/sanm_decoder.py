"""Paraformer's non-autoregressive decoder (Gao et al., 2022, https://arxiv.org/abs/2206.08317)."""

from __future__ import annotations

from torch import Tensor, nn

from safeasr.nets.layers import FsmnMemory, NormedFeedForward, attend, layer_norm, length_mask


class CrossAttention(nn.Module):
    """Attention from token embeddings to encoder frames."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.size = size
        self.linear_q = nn.Linear(size, size)
        self.linear_k_v = nn.Linear(size, size * 2)
        self.linear_out = nn.Linear(size, size)

    def forward(self, x: Tensor, memory: Tensor, keys: Tensor | None) -> Tensor:
        k, v = self.linear_k_v(memory).split(self.size, dim=-1)
        return self.linear_out(attend(self.linear_q(x), k, v, self.heads, keys))


class MemoryOnly(nn.Module):
    """The decoder's self-attention is an FSMN memory and nothing else."""

    def __init__(self, size: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.fsmn_block = FsmnMemory(size, kernel_size, shift)

    def forward(self, x: Tensor, mask: Tensor | None, residual: Tensor) -> Tensor:
        return self.fsmn_block(x, mask, residual)


class DecoderLayer(nn.Module):
    """Feed-forward, memory, attention to the encoder, in this order."""

    def __init__(self, size: int, heads: int, hidden: int, kernel_size: int, shift: int) -> None:
        super().__init__()
        self.norm1 = layer_norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)
        self.norm2 = layer_norm(size)
        self.self_attn = MemoryOnly(size, kernel_size, shift)
        self.norm3 = layer_norm(size)
        self.src_attn = CrossAttention(size, heads)

    def forward(
        self, x: Tensor, mask: Tensor | None, memory: Tensor, keys: Tensor | None
    ) -> Tensor:
        x = self.self_attn(self.norm2(self.feed_forward(self.norm1(x))), mask, x)
        return x + self.src_attn(self.norm3(x), memory, keys)


class MemoryLayer(nn.Module):
    """A decoder layer that does not look at the encoder."""

    def __init__(self, size: int, hidden: int, kernel_size: int) -> None:
        super().__init__()
        self.norm1 = layer_norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)
        self.norm2 = layer_norm(size)
        self.self_attn = MemoryOnly(size, kernel_size, 0)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.self_attn(self.norm2(self.feed_forward(self.norm1(x))), mask, x)


class FinalLayer(nn.Module):
    """The last layer: a feed-forward without residual."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = layer_norm(size)
        self.feed_forward = NormedFeedForward(size, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.feed_forward(self.norm1(x))


class ParaformerDecoder(nn.Module):
    """Token embeddings to token scores; FunASR's ``ParaformerSANMDecoder``.

    Args:
        vocab_size: tokens.
        encoder_output_size: hidden size.
        attention_heads: heads of the attention to the encoder.
        linear_units: hidden size of the feed-forward.
        num_blocks: layers.
        att_layer_num: how many of them attend to the encoder.
        kernel_size: span of the memory in tokens.
        sanm_shfit: shift of the memory (FunASR's spelling); None means half the kernel.
    """

    def __init__(
        self,
        vocab_size: int,
        encoder_output_size: int,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        att_layer_num: int = 6,
        kernel_size: int = 21,
        sanm_shfit: int | None = 0,
    ) -> None:
        super().__init__()
        size = encoder_output_size
        shift = (kernel_size - 1) // 2 if sanm_shfit is None else sanm_shfit
        self.decoders = nn.ModuleList(
            [
                DecoderLayer(size, attention_heads, linear_units, kernel_size, shift)
                for _ in range(att_layer_num)
            ]
        )
        self.decoders2 = nn.ModuleList(
            [
                MemoryLayer(size, linear_units, kernel_size)
                for _ in range(max(num_blocks - att_layer_num, 0))
            ]
        )
        self.decoders3 = nn.ModuleList([FinalLayer(size, linear_units)])
        self.after_norm = layer_norm(size)
        self.output_layer = nn.Linear(size, vocab_size)

    def forward(
        self, memory: Tensor, memory_lengths: Tensor, embeddings: Tensor, token_lengths: Tensor
    ) -> Tensor:
        """Score the tokens of a padded batch.

        Args:
            memory: (batch, frames, size), the encoder's output.
            memory_lengths: (batch,) int64, real frames.
            embeddings: (batch, tokens, size), what CIF fired.
            token_lengths: (batch,) int64, real tokens.

        Returns:
            (batch, tokens, vocab_size) scores before softmax; no meaning beyond a row's tokens.
        """
        keys: Tensor | None = None
        if int(memory_lengths.min()) < memory.size(1):
            keys = length_mask(memory_lengths, memory.size(1)).unsqueeze(1).unsqueeze(1)
        mask: Tensor | None = None
        if int(token_lengths.min()) < embeddings.size(1):
            mask = length_mask(token_lengths, embeddings.size(1)).unsqueeze(2).to(embeddings.dtype)
        x = embeddings
        for layer in self.decoders:
            x = layer(x, mask, memory, keys)
        for layer in self.decoders2:
            x = layer(x, mask)
        for layer in self.decoders3:
            x = layer(x)
        return self.output_layer(self.after_norm(x))
