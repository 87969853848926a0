# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's punctuation, a small CT-Transformer, and measures it through FunASR.

python -m training.demo.train_punctuation --out DIR
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import funasr  # noqa: F401  (importing it registers the model classes)
import numpy as np
import torch
from funasr.register import tables
from numpy.random import Generator

from .metrics import funasr_model, write_metrics
from .model import model_config, save_weights, write_directory
from .sentences import MARKS, NONE, Marked, punctuated
from .train import rate_at
from .vocabulary import TOKENS

WIDTH, BATCH = 64, 64
#: A share of the words comes as another or as unknown, as recognisers get them wrong.
WRONG = 0.02
WRITTEN = {",": "，", ".": "。", "?": "？"}


def config() -> dict[str, Any]:
    """The model's config.yaml."""
    return {
        "model": "CTTransformer",
        "model_conf": {
            "ignore_id": 0,
            "embed_unit": WIDTH,
            "att_unit": WIDTH,
            "dropout_rate": 0.1,
            "punc_list": MARKS,
            "punc_weight": [1.0] * len(MARKS),
            "sentence_end_id": 3,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {
            **model_config()["encoder_conf"],
            "input_size": WIDTH,
            "output_size": WIDTH,
            "attention_heads": 4,
            "linear_units": 2 * WIDTH,
            "num_blocks": 3,
            "dropout_rate": 0.1,
            "positional_dropout_rate": 0.1,
            "padding_idx": 0,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }


def build() -> torch.nn.Module:
    """Make FunASR's CTTransformer with random weights."""
    conf = config()
    encoder = {key: conf[key] for key in ("encoder", "encoder_conf")}
    return tables.model_classes[conf["model"]](
        **encoder, **conf["model_conf"], vocab_size=len(TOKENS)
    )


def batch(rng: Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Word ids, lengths and classes of texts, some words wrong; classes are -1 past the end."""
    texts = [punctuated(rng) for _ in range(BATCH)]
    ids, classes = [], []
    for text in texts:
        cut = int(rng.integers(0, 4)) if len(text) > 8 else 0  # pieces begin anywhere
        numbers = np.array([TOKENS.index(word) for word, _ in text[cut:]])
        wrong = rng.random(len(numbers)) < WRONG
        numbers[wrong] = rng.integers(3, len(TOKENS), int(wrong.sum()))
        ids.append(torch.from_numpy(numbers))
        classes.append(torch.tensor([mark for _, mark in text[cut:]]))
    pad = torch.nn.utils.rnn.pad_sequence
    return (
        pad(ids, batch_first=True),
        torch.tensor([len(one) for one in ids]),
        pad(classes, batch_first=True, padding_value=-1),
    )


def train(args: argparse.Namespace) -> dict[str, Any]:
    """Train, write the weights, and tell how the run went."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng([args.seed, 11])
    model = build().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.01)
    begin, losses = time.monotonic(), []
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * rate_at(step / args.steps)
        ids, lengths, classes = batch(rng)
        scores, _ = model.punc_forward(ids, lengths)
        loss = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), classes.flatten(), ignore_index=-1
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 200 == 0:
            print(f"step {step + 1} loss {np.mean(losses[-200:]):.4f}", flush=True)
    save_weights(model.eval(), args.out)
    minutes = round((time.monotonic() - begin) / 60, 1)
    return {"steps": args.steps, "texts": args.steps * BATCH, "minutes": minutes}


def _marks_of(text: str) -> list[int]:
    """The class of the mark behind each word of a punctuated text."""
    found = []
    for word in text.split():
        mark = word[-1]
        found.append(MARKS.index(WRITTEN.get(mark, mark)) if not mark.isalnum() else NONE)
    return found


def score(model: Any, texts: list[list[Marked]]) -> dict[str, Any]:
    """Precision and recall of each mark, and how many texts are right throughout, in percent."""
    pairs: list[tuple[int, int]] = []
    whole = 0
    for text in texts:
        said = model.generate(input=" ".join(word for word, _ in text), disable_pbar=True)
        expected, found = [mark for _, mark in text], _marks_of(said[0]["text"])
        whole += expected == found
        pairs += zip(expected, found, strict=True)
    figures: dict[str, Any] = {"texts": len(texts), "words": len(pairs)}
    for mark in (2, 3, 4):
        both = sum(a == b == mark for a, b in pairs)
        wanted, given = sum(a == mark for a, _ in pairs), sum(b == mark for _, b in pairs)
        figures[MARKS[mark]] = {
            "count": wanted,
            "precision_percent": round(100 * both / max(given, 1), 2),
            "recall_percent": round(100 * both / max(wanted, 1), 2),
        }
    figures["texts_right_percent"] = round(100 * whole / len(texts), 2)
    return figures


def measure(directory: Path, run: dict[str, Any]) -> None:
    """Measure a model directory on texts drawn independently, and write metrics.json."""
    model = funasr_model(directory, 1)
    rng = np.random.default_rng([0, 12])
    metrics = {
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "up_to_8_sentences": score(model, [punctuated(rng) for _ in range(500)]),
        "up_to_40_sentences": score(model, [punctuated(rng, 40) for _ in range(100)]),
    }
    write_metrics(directory, metrics, run)


def main() -> None:
    """Train, measure, and write the model directory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    write_directory(args.out, None, config(), "punctuation")
    measure(args.out, train(args))


if __name__ == "__main__":
    main()
