"""Numbers of full-size networks in each precision, beside float32's.

The networks of the bundles, with random weights, run in PyTorch through the operators that the
engine uses (linear layers in int8 by tensor operations: the same integers, without oneDNN). Tokens
are cut where float32's CIF weights fire, so that scores stand against scores of the same token.
Random weights have no margins: a trained network is surer of its tokens, so equal tokens are fewer
here than there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common.audio import long_clips
from benchmarks.common.models import full_size_model
from benchmarks.common.sense_voice_model import VOCABULARY_SIZE, sense_voice_model
from safeasr import _ext
from safeasr.bundles.model_dir import ModelDir, read_model_dir, read_vocabulary, read_weights
from safeasr.families.frontends import offline_frontend
from safeasr.families.paraformer import export as paraformer
from safeasr.families.sense_voice import export as sense_voice
from safeasr.nets.precision import narrow

PRECISIONS = {"float32": "float32", "bf16": "bfloat16", "int8": "int8"}


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Norm of the difference over the norm."""
    return float((found - exact).norm() / exact.norm())


class Utterance:
    """Features of one utterance and what surrounds them."""

    def __init__(self, features: Tensor, left: int, right: int) -> None:
        rows = len(features)
        place = torch.arange(rows).unsqueeze(1) + torch.arange(-left, right + 1)
        self.features = features
        self.positions = torch.arange(1.0, rows + 1)
        self.offsets = torch.tensor([0, rows])
        self.neighbours = torch.where((place >= 0) & (place < rows), place + 1, 0)


@dataclass(frozen=True)
class Numbers:
    """Of one utterance in one precision.

    Attributes:
        hidden: the encoder's vectors (rows, size).
        alphas: CIF weights (rows,), where the model has them.
        scores: of tokens (tokens, vocabulary).
    """

    hidden: Tensor
    alphas: Tensor | None
    scores: Tensor


def encode(encoder: nn.Module, one: Utterance) -> tuple[Tensor, Tensor]:
    """Hidden vectors and CIF weights."""
    hidden, alphas = encoder(one.features, one.positions, one.offsets, one.neighbours)
    return hidden, alphas


def fire(hidden: Tensor, alphas: Tensor, tail: float) -> Tensor:
    """Embeddings of the tokens that these weights give; as csrc/asr/decode/cif.h, in double."""
    weights = np.append(alphas.double().numpy(), tail)
    ends = np.cumsum(weights)
    tokens = int(ends[-1])
    # The share of a row in a token is how much of the row's weight lies in the token's unit.
    low, high = ends - weights, ends
    shares = [
        np.clip(np.minimum(high, n + 1) - np.maximum(low, n), 0, None)[:-1] for n in range(tokens)
    ]
    return (torch.from_numpy(np.array(shares).reshape(tokens, -1)) @ hidden.double()).float()


def score(decoder: nn.Module, embeddings: Tensor, hidden: Tensor) -> Tensor:
    """Scores of the tokens, before the best is chosen."""
    none: list[Tensor] = []
    offsets, rows = torch.tensor([0, len(embeddings)]), torch.tensor([0, len(hidden)])
    scores: Tensor = decoder.decoder(embeddings, offsets, hidden, rows, none, offsets, none, none)
    return scores


def _networks(
    model: ModelDir, build: Callable[..., tuple[nn.Module, ...]], count: int
) -> Iterator[tuple[str, tuple[nn.Module, ...]]]:
    """The networks of a model in each precision, float32 first."""
    weights = read_weights(model.checkpoint)
    for name, precision in PRECISIONS.items():
        networks = build(model.config, weights, 560, count)
        for network in networks:
            narrow(network, precision)
            network.eval().requires_grad_(False)
        yield name, networks


def _features(kind: str, model: ModelDir, clips: int) -> tuple[str, list[Tensor]]:
    """What the audio is, and features (rows, size) of each clip."""
    frontend = _ext.Frontend(**offline_frontend(kind, model))
    audio, items = long_clips(clips)
    return audio, [torch.from_numpy(frontend.compute([item.samples])[0][0]) for item in items]


@torch.inference_mode()
def paraformer_numbers(clips: int) -> list[dict[str, Any]]:
    """A row for each reduced precision of Paraformer-large."""
    model = read_model_dir(full_size_model())
    predictor = model.config["predictor_conf"]
    audio, features = _features("Paraformer", model, clips)
    span = int(predictor["l_order"]), int(predictor["r_order"])
    utterances = [Utterance(one, *span) for one in features]
    tail = float(predictor["tail_threshold"])
    count = len(read_vocabulary(model.tokens))
    exact: list[Numbers] = []
    rows: list[dict[str, Any]] = []
    for name, (encoder, decoder) in _networks(model, paraformer.build_networks, count):
        found = []
        for place, one in enumerate(utterances):
            hidden, alphas = encode(encoder, one)
            # Every precision decodes the tokens that float32's weights give.
            cut = exact[place].alphas if exact else alphas
            scores = score(decoder, fire(hidden, cut, tail), hidden)
            found.append(Numbers(hidden, alphas, scores))
        if not exact:
            exact = found
            continue
        facts = {"model": "Paraformer-large", "precision": name, "audio": audio}
        rows.append(facts | compare(found, exact))
        print(rows[-1], flush=True)
    return rows


@torch.inference_mode()
def sense_voice_numbers(clips: int) -> list[dict[str, Any]]:
    """A row for each reduced precision of SenseVoiceSmall; its tokens are rows."""
    model = read_model_dir(sense_voice_model())
    audio, features = _features("SenseVoiceSmall", model, clips)

    def build(*arguments: Any) -> tuple[nn.Module]:
        return (sense_voice.build_network(*arguments),)

    exact: list[Numbers] = []
    rows: list[dict[str, Any]] = []
    for name, (network,) in _networks(model, build, VOCABULARY_SIZE):
        found = []
        for one in features:
            x = torch.cat([network.embed(torch.tensor([0, 1, 2, 15])), one])
            positions, offsets = torch.arange(1.0, len(x) + 1), torch.tensor([0, len(x)])
            hidden = network.encoder(x, positions, offsets)
            found.append(Numbers(hidden, None, network.ctc.ctc_lo(hidden)))
        if not exact:
            exact = found
            continue
        facts = {"model": "SenseVoiceSmall", "precision": name, "audio": audio}
        rows.append(facts | compare(found, exact))
        print(rows[-1], flush=True)
    return rows


def compare(found: Sequence[Numbers], exact: Sequence[Numbers]) -> dict[str, Any]:
    """Errors against float32's numbers."""
    pairs = list(zip(found, exact, strict=True))
    hidden = [relative_error(a.hidden, b.hidden) for a, b in pairs]
    scores = [relative_error(a.scores, b.scores) for a, b in pairs]
    equal = torch.cat([a.scores.argmax(1) == b.scores.argmax(1) for a, b in pairs])
    # How far apart the best two scores lie, in errors: what a decision survives.
    best = torch.cat([b.scores.topk(2, 1).values for _, b in pairs])
    error = torch.cat([(a.scores - b.scores).pow(2).mean(1).sqrt() for a, b in pairs])
    margins = (best[:, 0] - best[:, 1]) / error
    weights = [
        float((a.alphas - b.alphas).abs().max())
        for a, b in pairs
        if a.alphas is not None and b.alphas is not None
    ]
    return {
        "utterances": len(pairs),
        "tokens": len(equal),
        "hidden_error": round(float(np.mean(hidden)), 5),
        "hidden_error_highest": round(max(hidden), 5),
        "weight_error_highest": round(max(weights), 5) if weights else None,
        "score_error": round(float(np.mean(scores)), 5),
        "score_error_highest": round(max(scores), 5),
        "equal_tokens": round(float(equal.float().mean()), 4),
        "median_margin_in_errors": round(float(margins.median()), 1),
    }
