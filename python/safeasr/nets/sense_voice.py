"""SenseVoiceSmall (https://arxiv.org/abs/2407.04051); FunASR's ``SenseVoiceSmall``.

A SAN-M encoder over the features of an utterance and four query rows before them (language, event,
emotion, text form), with a CTC head: rows 0 to 3 say the tags, the others the text.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from safeasr.nets.layers import layer_norm, length_mask
from safeasr.nets.sanm_encoder import SanmEncoderLayer, sinusoidal_positions

__all__ = ["LANGUAGES", "QUERIES", "TEXT_FORMS", "SenseVoiceNetwork"]

#: Rows of the embedding, as trained.
LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
EVENT, EMOTION = 1, 2
TEXT_FORMS = {"withitn": 14, "woitn": 15}
EMBEDDINGS = 16
#: Rows before the features.
QUERIES = 4

#: Scores of so many rows exist at a time: the vocabulary is large.
ROWS_AT_A_TIME = 256


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
        self.after_norm = layer_norm(output_size)
        self.tp_norm = layer_norm(output_size)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-5  # unlike FunASR's other transformers

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Encode a padded batch.

        Args:
            x: (batch, rows, input_size) float32.
            lengths: (batch,) int64, real rows of each utterance; at least 1.

        Returns:
            (batch, rows, output_size); rows beyond a length hold numbers of no meaning.
        """
        rows = x.size(1)
        x = x * self.scale + sinusoidal_positions(1, rows, x.size(2), x.device)
        # Without padding, masks would only cost time: they would change nothing.
        keep: Tensor | None = None
        keys: Tensor | None = None
        if int(lengths.min()) < rows:
            mask = length_mask(lengths, rows)
            keep = mask.unsqueeze(2).to(x.dtype)
            keys = mask.unsqueeze(1).unsqueeze(1)
        for layer in self.encoders0:
            x = layer(x, keep, keys)
        for layer in self.encoders:
            x = layer(x, keep, keys)
        x = self.after_norm(x)
        for layer in self.tp_encoders:
            x = layer(x, keep, keys)
        return self.tp_norm(x)


class CtcHead(nn.Module):
    """Scores of tokens; FunASR's ``CTC`` at inference.

    Args:
        size: hidden size.
        vocab_size: number of tokens, the blank included.
        unknown_emotion: the token that an utterance may ban.
    """

    def __init__(self, size: int, vocab_size: int, unknown_emotion: int) -> None:
        super().__init__()
        self.ctc_lo = nn.Linear(size, vocab_size)
        self.unknown_emotion = unknown_emotion
        self.rows_at_a_time = ROWS_AT_A_TIME

    def forward(self, rows: Tensor, banned: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """The best token of each row, and the log probabilities of some rows.

        Args:
            rows: (N, size).
            banned: (N,) bool, rows in which the unknown emotion does not count.
            wanted: (N,) bool, rows whose log probabilities are asked for; nothing is banned there.

        Returns:
            ids (N,) int64; log probabilities (M, vocab_size) float32 of the M wanted rows.
        """
        ids: list[Tensor] = []
        any_banned, asked = bool(banned.any()), int(wanted.sum())
        log_probs = torch.empty(asked, self.ctc_lo.out_features, device=rows.device)
        done = 0
        for first in range(0, rows.size(0), self.rows_at_a_time):
            last = min(first + self.rows_at_a_time, rows.size(0))
            scores = self.ctc_lo(rows[first:last])
            if asked > 0:
                some = torch.log_softmax(scores[wanted[first:last]].float(), dim=-1)
                log_probs[done : done + some.size(0)] = some
                done += some.size(0)
            if any_banned:
                scores.select(1, self.unknown_emotion).masked_fill_(
                    banned[first:last], -float("inf")
                )
            # The best token needs no softmax.
            ids.append(scores.argmax(dim=-1))
        return torch.cat(ids), log_probs


class SenseVoiceNetwork(nn.Module):
    """The whole network, named as in FunASR's checkpoints.

    Args:
        encoder: layers.
        ctc: head.
        input_size: feature size.
    """

    def __init__(self, encoder: SenseVoiceEncoder, ctc: CtcHead, input_size: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(EMBEDDINGS, input_size)
        self.encoder = encoder
        self.ctc = ctc
        self.queries = QUERIES

    def forward(
        self, features: Tensor, lengths: Tensor, queries: Tensor, banned: Tensor, wanted: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The best token of each row of a padded batch.

        Args:
            features: (B, T, input_size) float32.
            lengths: (B,) int64, real frames of each utterance; at least 1.
            queries: (B, 4) int64, rows of the embedding that come before the features.
            banned: (B,) bool, utterances that ban the token of an unknown emotion.
            wanted: (B,) bool, utterances whose log probabilities are asked for.

        Returns:
            ids (N,) int64 of all real rows, queries first, utterance after utterance; log
            probabilities (M, vocabulary) float32 of the real frames of the wanted utterances,
            without queries.
        """
        x = torch.cat([self.embed(queries), features], dim=1)
        hidden = self.encoder(x, lengths + self.queries)
        real = length_mask(lengths + self.queries, x.size(1))
        frames = real.clone()
        frames[:, : self.queries] = False
        return self.ctc(
            hidden[real],
            banned.unsqueeze(1).expand_as(real)[real],
            (frames & wanted.unsqueeze(1))[real],
        )
