# SPDX-License-Identifier: Apache-2.0
"""Trains the demo model from nothing but espeak-ng and, if given, real digits.

    python -m training.demo.train --out DIR
    python -m training.demo.train --out DIR --real-digits FSDD_FOLDER_OR_TAR
    python -m training.demo.train --out DIR2 --init DIR --seed 1 --learning-rate 5e-4

The best epoch so far (by the dev set) is in DIR at any time. At the end the
model is measured through funasr.AutoModel and the figures go to DIR/metrics.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from funasr.frontends.wav_frontend import load_cmvn

from . import dataset, synthesis
from .evaluate import TEST_SEED, errors_between, measure
from .model import build_model, save_weights, write_directory
from .samples import write_samples

Cmvn = tuple[torch.Tensor, torch.Tensor]


def arguments(description: str) -> argparse.ArgumentParser:
    """What the command line of a training run may say."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--real-digits", type=Path, help="Free Spoken Digit Dataset: tar or folder")
    parser.add_argument("--held-out-speaker", default="yweweler", help="real speaker for the test")
    parser.add_argument("--work-dir", type=Path, help="cache of features (default: temporary)")
    parser.add_argument("--utterances", type=int, default=7000)
    parser.add_argument("--dev-utterances", type=int, default=150)
    parser.add_argument("--test-utterances", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument(
        "--max-minutes",
        type=float,
        default=math.inf,
        help="end the learning-rate schedule by then (the result then depends on the machine)",
    )
    parser.add_argument("--frames", type=int, default=1600, help="60 ms frames in a batch")
    parser.add_argument("--init", type=Path, help="go on from this model directory")
    parser.add_argument(
        "--real-share", type=float, default=0.35, help="share of utterances with real digits"
    )
    parser.add_argument("--bfloat16", action="store_true", help="faster on recent CPUs")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def in_bfloat16(part: torch.nn.Module) -> None:
    """Run a part of the model in bfloat16 while it trains.

    This roughly halves the time on CPUs with bfloat16 instructions. It is
    not used around the whole model because FunASR's CIF needs float32.
    """
    forward = part.forward

    def wrapped(*inputs: Any, **options: Any) -> tuple:
        with torch.autocast("cpu", torch.bfloat16, enabled=part.training):
            outputs = forward(*inputs, **options)
        return tuple(
            x.float() if torch.is_tensor(x) and x.is_floating_point() else x for x in outputs
        )

    part.forward = wrapped


def rate_at(progress: float) -> float:
    """One cycle: a linear rise over the first tenth, then half a cosine down."""
    if progress < 0.1:
        return max(progress / 0.1, 0.02)
    return 0.005 + 0.995 * 0.5 * (1.0 + math.cos(math.pi * min((progress - 0.1) / 0.9, 1.0)))


@torch.no_grad()
def offline_error(model: torch.nn.Module, corpus: dataset.Corpus, cmvn: Cmvn) -> float:
    """Word error rate on the dev set, with FunASR's own decoding.

    One utterance at a time: FunASR's CIF fails on a batch whose last
    utterance yields no token, and a young model often yields none.
    """
    model.eval()
    wrong = total = 0
    for speech, lengths, text, text_lengths in dataset.batches(corpus, cmvn, 1, None):
        keys = [str(i) for i in range(len(lengths))]
        answer = model.inference(
            speech, data_lengths=lengths[:, None], key=keys, data_type="fbank", device="cpu"
        )
        found = [item["token_int"] for item in answer[0]] if answer else [[] for _ in keys]
        for row, size, hypothesis in zip(text.tolist(), text_lengths.tolist(), found):
            wrong += sum(errors_between(row[:size], hypothesis))
            total += size
    model.train()
    return wrong / max(total, 1)


def train(
    args: argparse.Namespace,
    model: torch.nn.Module,
    corpus: dataset.Corpus,
    dev: dataset.Corpus,
    cmvn: Cmvn,
    dev_error: Callable[[torch.nn.Module, dataset.Corpus, Cmvn], float],
) -> dict[str, Any]:
    """Train, keep the best epoch in `args.out`, and tell how the run went."""
    if args.bfloat16:
        in_bfloat16(model.encoder)
        in_bfloat16(model.decoder)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=args.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    rng = np.random.default_rng([args.seed, 99])
    steps = sum(1 for _ in dataset.batches(corpus, cmvn, args.frames, None)) * args.epochs
    begin, step, best, best_epoch = time.monotonic(), 0, math.inf, 0
    for epoch in range(1, args.epochs + 1):
        losses = []
        for batch in dataset.batches(corpus, cmvn, args.frames, rng):
            spent = (time.monotonic() - begin) / 60.0 / args.max_minutes
            progress = max(step / steps, spent)
            for group in optimizer.param_groups:
                group["lr"] = args.learning_rate * rate_at(progress)
            loss, _, _ = model(*batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(float(loss))
            step += 1
            if spent >= 1.0:
                break
        error = dev_error(model, dev, cmvn)
        minutes = (time.monotonic() - begin) / 60.0
        print(
            f"epoch {epoch} loss {np.mean(losses):.3f} dev WER {100 * error:.2f} % "
            f"after {minutes:.1f} min, progress {progress:.2f}",
            flush=True,
        )
        if error <= best:
            best, best_epoch = error, epoch
            save_weights(model, args.out)
        if progress >= 1.0 or minutes >= args.max_minutes:
            break
    return {
        "epochs": epoch,
        "best_epoch": best_epoch,
        "steps": step,
        "minutes": round((time.monotonic() - begin) / 60.0, 1),
        "dev_wer_percent": round(100 * best, 2),
    }


def make_corpora(
    args: argparse.Namespace, real: synthesis.RealDigits
) -> tuple[dataset.Corpus, dataset.Corpus]:
    """Make (or reload) the training set and the dev set."""
    work = args.work_dir or Path(tempfile.mkdtemp(prefix="safeasr-demo-"))
    corpora = []
    # Only the training data follow the seed: the dev set, the test set and the
    # sample recordings stay the same, so that runs can be compared.
    for split, count, seed, share in (
        ("train", args.utterances, args.seed, args.real_share),
        ("dev", args.dev_utterances, TEST_SEED, 0.35),
    ):
        source = dataset.make_source(split, seed, real, args.held_out_speaker)
        source.real_share = share
        name = f"{split}-{seed}-{count}-{share if real else 0:g}.pt"
        corpora.append(dataset.build_corpus(source, count, work / name, args.threads))
    return corpora[0], corpora[1]


def history(args: argparse.Namespace, corpus: dataset.Corpus) -> dict[str, Any]:
    """What metrics.json tells of the training besides the run itself."""
    told: dict[str, Any] = {
        "training_hours": round(corpus.frames() * 0.06 / 3600, 2),
        "training_utterances": args.utterances,
    }
    if args.init:
        before = json.loads((args.init / "metrics.json").read_text(encoding="utf-8"))
        told["went_on_from"] = before.get("training", {})
    return told


def main() -> None:
    """Make the data, train, measure, and write the model directory."""
    args = arguments(__doc__.split("\n", maxsplit=1)[0]).parse_args()
    torch.set_num_threads(args.threads)
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    corpus, dev = make_corpora(args, real)
    # The weights only fit the statistics they were trained with.
    cmvn = tuple(load_cmvn(args.init / "am.mvn")) if args.init else dataset.cmvn_of(corpus)
    write_directory(args.out, cmvn)
    torch.manual_seed(args.seed)
    model = build_model(with_ctc=args.init is None)
    if args.init:
        model.load_state_dict(torch.load(args.init / "model.pt", weights_only=True))
    run = train(args, model, corpus, dev, cmvn, offline_error) | history(args, corpus)
    write_samples(args.out / "audio", TEST_SEED)
    measure(args.out, TEST_SEED, args.test_utterances, real, args.held_out_speaker, run)


if __name__ == "__main__":
    main()
