"""SenseVoiceSmall (https://arxiv.org/abs/2407.04051); FunASR's ``SenseVoiceSmall``.

A SAN-M encoder over the features of an utterance and four query rows before them (language, event,
emotion, text form), with a CTC head: rows 0 to 3 say the tags, the others the text.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from safeasr.nets.layers import Linear
from safeasr.nets.sense_voice_encoder import SenseVoiceEncoder

__all__ = [
    "EMOTION",
    "EVENT",
    "LANGUAGES",
    "QUERIES",
    "TEXT_FORMS",
    "UNKNOWN_EMOTION",
    "CtcHead",
    "SenseVoiceNetwork",
]

#: Rows of the embedding, as trained.
LANGUAGES = {"auto": 0, "zh": 3, "en": 4, "yue": 7, "ja": 11, "ko": 12, "nospeech": 13}
EVENT, EMOTION = 1, 2
TEXT_FORMS = {"withitn": 14, "woitn": 15}
EMBEDDINGS = 16
#: Rows before the features.
QUERIES = 4
#: The token that ``ban_emo_unk`` bans; FunASR knows it by this number.
UNKNOWN_EMOTION = 25009

#: Scores of so many rows exist at a time: the vocabulary is large.
ROWS_AT_A_TIME = 256


class CtcHead(nn.Module):
    """Scores of tokens; FunASR's ``CTC`` at inference.

    Args:
        size: hidden size.
        vocab_size: number of tokens, the blank included.
        unknown_emotion: the token that an utterance may ban.
    """

    def __init__(self, size: int, vocab_size: int, unknown_emotion: int) -> None:
        super().__init__()
        self.ctc_lo = Linear(size, vocab_size, wide=True)
        self.unknown_emotion = unknown_emotion
        self.rows_at_a_time = ROWS_AT_A_TIME

    def forward(self, rows: Tensor, banned: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """The best token of each row, and the log probabilities of some rows.

        Args:
            rows: (N, size).
            banned: (N,) bool on the CPU, rows in which the unknown emotion does not count.
            wanted: (N,) bool on the CPU, rows whose log probabilities are asked for; nothing is
                banned there. On the CPU, so that nobody waits for a device to know whether there
                are any.

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
                chosen = wanted[first:last].nonzero().flatten().to(scores.device)
                some = torch.log_softmax(scores.index_select(0, chosen).float(), dim=-1)
                log_probs[done : done + some.size(0)] = some
                done += some.size(0)
            if any_banned:
                scores.select(1, self.unknown_emotion).masked_fill_(
                    banned[first:last].to(scores.device), -float("inf")
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

    def forward(
        self,
        features: Tensor,
        queries: Tensor,
        order: Tensor,
        positions: Tensor,
        offsets: Tensor,
        banned: Tensor,
        wanted: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The best token of each row of a ragged batch.

        Args:
            features: (frames, input_size) float32, of all utterances one below the other.
            queries: (4 B,) int64, rows of the embedding, four an utterance.
            order: (rows,) int64, the rows as indices into queries and features together: each
                utterance's queries, then its features; behind the last utterance's, padding.
            positions: (rows,) float32, as in SenseVoiceEncoder.
            offsets: (B + 1,) int64 on the CPU, likewise.
            banned: (rows,) bool on the CPU, rows in which the token of an unknown emotion does not
                count.
            wanted: (rows,) bool on the CPU, rows whose log probabilities are asked for.

        Returns:
            ids (rows,) int64; log probabilities (M, vocabulary) float32 of the M wanted rows.
        """
        x = torch.cat([self.embed(queries), features]).index_select(0, order)
        return self.ctc(self.encoder(x, positions, offsets), banned, wanted)
