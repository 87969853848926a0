"""Numbers of full-size networks in each precision, beside float32's.

The networks of the bundles, with random weights, run in PyTorch through the operators that the
engine uses (linear layers in int8 by tensor operations: the same integers, without oneDNN). Tokens
are cut where float32's CIF weights fire, so that scores stand against scores of the same token.
Random weights have no margins: a trained network is surer of its tokens, so equal tokens are fewer
here than there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.audio import long_items
from benchmarks.models import full_size_model
from safeasr import _ext
from safeasr.export.model_dir import read_model_dir, read_vocabulary, read_weights
from safeasr.families.configuration import offline_frontend
from safeasr.families.paraformer import build_networks
from safeasr.nets.paraformer import DecoderProgram, EncoderProgram
from safeasr.nets.precision import narrow

PRECISIONS = {"float32": "float32", "bf16": "bfloat16", "int8": "int8"}


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Norm of the difference over the norm."""
    return float((found - exact).norm() / exact.norm())


class _Utterance:
    """Features of one utterance and what surrounds them."""

    def __init__(self, features: Tensor, left: int, right: int) -> None:
        rows = len(features)
        place = torch.arange(rows).unsqueeze(1) + torch.arange(-left, right + 1)
        self.features = features
        self.positions = torch.arange(1.0, rows + 1)
        self.offsets = torch.tensor([0, rows])
        self.neighbours = torch.where((place >= 0) & (place < rows), place + 1, 0)


def encode(encoder: EncoderProgram, one: _Utterance) -> tuple[Tensor, Tensor]:
    """Hidden vectors and CIF weights."""
    hidden, alphas = encoder(one.features, one.positions, one.offsets, one.neighbours)
    return hidden, alphas


def fire(hidden: Tensor, alphas: Tensor, tail: float) -> Tensor:
    """Embeddings of the tokens that these weights give; as csrc/asr/cif.h, in double."""
    weights = np.append(alphas.double().numpy(), tail)
    ends = np.cumsum(weights)
    tokens = int(ends[-1])
    # The share of a row in a token is how much of the row's weight lies in the token's unit.
    low, high = ends - weights, ends
    shares = [
        np.clip(np.minimum(high, n + 1) - np.maximum(low, n), 0, None)[:-1] for n in range(tokens)
    ]
    return (torch.from_numpy(np.array(shares).reshape(tokens, -1)) @ hidden.double()).float()


def score(decoder: DecoderProgram, embeddings: Tensor, hidden: Tensor) -> Tensor:
    """Scores of the tokens, before the best is chosen."""
    none: list[Tensor] = []
    offsets, rows = torch.tensor([0, len(embeddings)]), torch.tensor([0, len(hidden)])
    scores: Tensor = decoder.decoder(embeddings, offsets, hidden, rows, none, offsets, none, none)
    return scores


def _networks(directory: Path) -> Iterator[tuple[str, EncoderProgram, DecoderProgram]]:
    model = read_model_dir(directory)
    weights = read_weights(model.checkpoint)
    count = len(read_vocabulary(model.tokens))
    for name, precision in PRECISIONS.items():
        encoder, decoder = build_networks(model.config, weights, 560, count)
        for network in (encoder, decoder):
            narrow(network, precision)
            network.eval().requires_grad_(False)
        yield name, encoder, decoder


@torch.inference_mode()
def full_size_numbers(clips: int) -> list[dict[str, Any]]:
    """A row for each reduced precision of Paraformer-large."""
    directory = full_size_model()
    model = read_model_dir(directory)
    predictor = model.config["predictor_conf"]
    frontend = _ext.Frontend(**offline_frontend("Paraformer", model))
    audio, items = long_items(clips)
    utterances = [
        _Utterance(
            torch.from_numpy(frontend.compute([item.audio])[0][0]),
            int(predictor["l_order"]),
            int(predictor["r_order"]),
        )
        for item in items
    ]
    tail = float(predictor["tail_threshold"])
    exact: list[tuple[Tensor, Tensor, Tensor]] = []
    rows: list[dict[str, Any]] = []
    for name, encoder, decoder in _networks(directory):
        found = []
        for place, one in enumerate(utterances):
            hidden, alphas = encode(encoder, one)
            # Every precision decodes the tokens that float32's weights give.
            cut = exact[place][1] if exact else alphas
            found.append((hidden, alphas, score(decoder, fire(hidden, cut, tail), hidden)))
        if not exact:
            exact = found
            continue
        rows.append({"model": "Paraformer-large", "precision": name, "audio": audio}
                    | _compare(found, exact, tail))  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def _compare(
    found: list[tuple[Tensor, Tensor, Tensor]],
    exact: list[tuple[Tensor, Tensor, Tensor]],
    tail: float,
) -> dict[str, Any]:
    pairs = list(zip(found, exact, strict=True))
    best = [(a[2].argmax(1), b[2].argmax(1)) for a, b in pairs]
    counts = [(int(a[1].sum() + tail), int(b[1].sum() + tail)) for a, b in pairs]
    # How far apart the best two scores lie beside the error: what a decision survives.
    margin = torch.cat([b[2].topk(2, 1).values for _, b in pairs])
    error = torch.cat([(a[2] - b[2]).pow(2).mean(1).sqrt() for a, b in pairs])
    tokens = sum(len(b) for _, b in best)
    return {
        "utterances": len(pairs),
        "tokens": tokens,
        "hidden_error": round(float(np.mean([relative_error(a[0], b[0]) for a, b in pairs])), 5),
        "hidden_error_highest": round(max(relative_error(a[0], b[0]) for a, b in pairs), 5),
        "weight_error_highest": round(max(float((a[1] - b[1]).abs().max()) for a, b in pairs), 5),
        "score_error": round(float(np.mean([relative_error(a[2], b[2]) for a, b in pairs])), 5),
        "score_error_highest": round(max(relative_error(a[2], b[2]) for a, b in pairs), 5),
        "equal_tokens": round(sum(int((a == b).sum()) for a, b in best) / tokens, 4),
        "equal_counts": sum(a == b for a, b in counts),
        "median_margin_in_errors": round(
            float(((margin[:, 0] - margin[:, 1]) / error).median()), 1
        ),
    }
