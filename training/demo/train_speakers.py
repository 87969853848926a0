# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's speaker model, a small CAM++ that FunASR runs as CAMPPlus.

python -m training.demo.train_speakers --out DIR [--real-digits FSDD_FOLDER_OR_TAR]

The network learns to name the people of the training data; what comes before the names serves as
embedding of people whom it never heard.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from funasr.models.campplus.model import CAMPPlus
from numpy.random import Generator
from torch import Tensor, nn

from . import synthesis
from .dataset import make_source
from .evaluate import TEST_SEED
from .evaluate_speakers import equal_error, measure
from .model import save_weights, write_directory
from .speaker_data import MELS, Corpus, build_corpus, crops, people_of
from .train import rate_at

# Chosen small: 0.6 million parameters.
CONF = {
    "feat_dim": MELS,
    "embedding_size": 64,
    "growth_rate": 8,
    "bn_size": 4,
    "init_channels": 32,
    "config_str": "batchnorm-relu",
    "memory_efficient": False,
    "output_level": "segment",
}
BATCH = 32
#: Frames of the 1.5 s that a pipeline cuts segments into.
WINDOW = 148
SCALE, MARGIN = 30.0, 0.15


class Names(nn.Module):
    """People's names from embeddings: a linear layer, then an additive angular margin.

    From random weights the margin learns next to nothing in so few steps; the layer soon points
    the embeddings to their people, and the margin draws them together afterwards.
    """

    def __init__(self, people: int, size: int) -> None:
        super().__init__()
        self.layer = nn.Linear(size, people)

    def forward(self, embeddings: Tensor, people: Tensor, margin: float) -> Tensor:
        """Mean loss of embeddings (batch, size) of people (batch); without margin: the layer's."""
        if margin == 0.0:
            return nn.functional.cross_entropy(self.layer(embeddings), people)
        centres = nn.functional.normalize(self.layer.weight)
        cosines = nn.functional.normalize(embeddings) @ centres.T
        angles = torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6))
        theirs = nn.functional.one_hot(people, len(centres)).bool()
        cosines = torch.where(theirs, torch.cos(angles + margin), cosines)
        return nn.functional.cross_entropy(SCALE * cosines, people)


def batches(corpus: Corpus, rng: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Each utterance once: a stretch of 0.8 to 1.5 s, with some bands or a moment hidden."""
    order = rng.permutation(len(corpus.frames))
    for at in range(0, len(order) - BATCH + 1, BATCH):
        group = [int(i) for i in order[at : at + BATCH]]
        chosen = Corpus([corpus.frames[i] for i in group], [corpus.people[i] for i in group])
        length = int(rng.integers(80, 150))
        frames = crops(chosen, length, rng)
        for one in frames:
            low, width = int(rng.integers(0, MELS - 10)), int(rng.integers(0, 10))
            one[:, low : low + width] = 0.0
            begin, time_ = int(rng.integers(0, length - 12)), int(rng.integers(0, 12))
            one[begin : begin + time_] = 0.0
        yield frames, torch.tensor(chosen.people)


def train(args: argparse.Namespace, corpus: Corpus, dev: Corpus, people: int) -> dict[str, Any]:
    """Train, keep the best epoch in `args.out`, and tell how the run went."""
    torch.manual_seed(args.seed)
    model = CAMPPlus(**CONF)
    if args.init:
        model.load_state_dict(torch.load(args.init / "model.pt", weights_only=True))
    model.head.to(memory_format=torch.channels_last)  # 15 % faster
    names = Names(people, CONF["embedding_size"])
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *names.parameters()], lr=args.learning_rate, weight_decay=0.02
    )
    rng = np.random.default_rng([args.seed, 97, int(args.init is not None)])
    steps = len(corpus.frames) // BATCH * args.epochs
    begin, step, best, best_epoch = time.monotonic(), 0, 1.0, 0
    for epoch in range(1, args.epochs + 1):
        model.train()
        losses = []
        for frames, numbers in batches(corpus, rng):
            for group in optimizer.param_groups:
                group["lr"] = args.learning_rate * rate_at(step / steps)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bfloat16):
                embeddings = model(frames)
            margin = MARGIN if step > args.linear * steps else 0.0
            loss = names(embeddings.float(), numbers, margin)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            step += 1
        model.eval()
        with torch.no_grad():
            frames = crops(dev, WINDOW, np.random.default_rng(0))
            embeddings = torch.cat([model(part) for part in frames.split(BATCH)])
        error = equal_error(embeddings.numpy(), np.array(dev.people))
        minutes = (time.monotonic() - begin) / 60.0
        print(
            f"epoch {epoch} loss {np.mean(losses):.3f} dev equal error {100 * error:.2f} % "
            f"after {minutes:.1f} min",
            flush=True,
        )
        if error <= best:
            best, best_epoch = error, epoch
            save_weights(model, args.out)
    return {
        "people": people,
        "epochs": args.epochs,
        "best_epoch": best_epoch,
        "steps": step,
        "minutes": round(minutes, 1),
        "dev_equal_error_percent": round(100 * best, 2),
        "training_utterances": len(corpus.frames),
        "training_hours": round(sum(len(f) for f in corpus.frames) * 0.01 / 3600, 2),
    }


def main() -> None:
    """Make the data, train, measure, and write the model directory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True, help="model directory to write")
    parser.add_argument("--real-digits", type=Path, help="Free Spoken Digit Dataset: tar or folder")
    parser.add_argument("--held-out-speaker", default="yweweler", help="never heard in training")
    parser.add_argument("--work-dir", type=Path, help="cache of frames (default: temporary)")
    parser.add_argument("--init", type=Path, help="go on from this model directory")
    parser.add_argument("--linear", type=float, default=0.65, help="share without margin")
    parser.add_argument("--utterances", type=int, default=30, help="of each person")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--bfloat16", action="store_true", help="faster where the CPU has it")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work = args.work_dir or Path(tempfile.mkdtemp(prefix="safeasr-demo-spk-"))
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    corpora, people = [], 0
    for split, each, seed in (("train", args.utterances, args.seed), ("dev", 20, TEST_SEED)):
        source = make_source(split, seed, real, args.held_out_speaker)
        people = people or len(people_of(source))
        name = f"spk-{split}-{seed}-{each}-without-{args.held_out_speaker if real else 'any'}.pt"
        corpora.append(build_corpus(source, each, work / name, args.threads))
    config = {"model": "CAMPPlus", "model_conf": CONF}
    write_directory(args.out, None, config, "speaker-verification")
    run = train(args, corpora[0], corpora[1], people)
    if args.init:
        before = json.loads((args.init / "metrics.json").read_text(encoding="utf-8"))
        run["went_on_from"] = before.get("training", {})
    measure(args.out, real, args.held_out_speaker, run)


if __name__ == "__main__":
    main()
