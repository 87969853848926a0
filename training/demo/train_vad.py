# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's voice activity detector, a small FSMN that FunASR runs as FSMN-VAD.

python -m training.demo.train_vad --out DIR [--real-digits FSDD_FOLDER_OR_TAR]

Frames are labelled by the energy of the clean speech before noise is added.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import funasr  # noqa: F401  (importing it registers the model classes)
import numpy as np
import torch
from funasr.frontends.wav_frontend import load_cmvn
from funasr.register import tables
from numpy.random import Generator

from . import synthesis, vad_data
from .dataset import make_source
from .evaluate import TEST_SEED
from .evaluate_vad import measure
from .model import save_weights, write_directory
from .train import Cmvn, rate_at

# Chosen small: 0.1 million parameters.
WIDTH, PROJECTION, BLOCKS = 96, 48, 4
BATCH, PIECE = 24, 600
# Keeps probabilities away from 0 and 1, whose logarithm FunASR takes.
SMOOTHING = 0.02
# The log mel energy of digital silence.
ZERO = float(np.log(np.finfo(np.float32).eps))


def vad_config() -> dict[str, Any]:
    """The model's config.yaml; the rules of the decision are FunASR's defaults."""
    return {
        "model": "FsmnVADStreaming",
        "model_conf": {
            "sample_rate": synthesis.RATE,
            "detect_mode": 1,
            "snr_mode": 0,
            "max_end_silence_time": 800,
            "max_start_silence_time": 3000,
            "do_start_point_detection": True,
            "do_end_point_detection": True,
            "window_size_ms": 200,
            "sil_to_speech_time_thres": 150,
            "speech_to_sil_time_thres": 150,
            "speech_2_noise_ratio": 1.0,
            "do_extend": 1,
            "lookback_time_start_point": 200,
            "lookahead_time_end_point": 100,
            "max_single_segment_time": 60000,
            "snr_thres": -100.0,
            "noise_frame_num_used_for_snr": 100,
            "decibel_thres": -100.0,
            "speech_noise_thres": 0.6,
            "fe_prior_thres": 0.0001,
            "silence_pdf_num": 1,
            "sil_pdf_ids": [0],
            "speech_noise_thresh_low": -0.1,
            "speech_noise_thresh_high": 0.3,
            "output_frame_probs": False,
            "frame_in_ms": 10,
            "frame_length_ms": 25,
        },
        "encoder": "FSMN",
        "encoder_conf": {
            "input_dim": vad_data.MELS * vad_data.STACK,
            "input_affine_dim": 64,
            "fsmn_layers": BLOCKS,
            "linear_dim": WIDTH,
            "proj_dim": PROJECTION,
            "lorder": 20,
            "rorder": 0,
            "lstride": 1,
            "rstride": 0,
            "output_affine_dim": 64,
            "output_dim": 2,
        },
        "frontend": "WavFrontendOnline",
        "frontend_conf": vad_data.FRONTEND_CONF,
    }


def build_vad() -> torch.nn.Module:
    """Make FunASR's FsmnVADStreaming with random weights."""
    conf = vad_config()
    return tables.model_classes[conf["model"]](
        encoder=conf["encoder"], encoder_conf=conf["encoder_conf"], **conf["model_conf"]
    )


def gated(rng: Generator, frames: torch.Tensor, speech: torch.Tensor) -> torch.Tensor:
    """Silence some pauses to exact zeros, as noise gates do, and put clicks into some.

    Without these, a click in digital silence makes the network so certain that
    the other probability rounds to zero.
    """
    frames = frames.clone()
    pauses = np.flatnonzero(~speech.numpy())
    if len(pauses) == 0:
        return frames
    if rng.random() < 0.7:
        begin = int(rng.integers(0, len(pauses)))
        frames[pauses[begin : begin + int(rng.integers(10, 400))]] = ZERO
    for at in rng.choice(pauses, size=int(rng.integers(0, 5))):
        tone = rng.uniform(-8.0, 16.0) + rng.uniform(-6.0, 6.0) * np.linspace(
            -0.5, 0.5, vad_data.MELS
        )
        frames[at : at + int(rng.integers(1, 4))] = torch.from_numpy(tone.astype(np.float32))
    return frames


def pieces(
    corpus: vad_data.Corpus, cmvn: Cmvn, rng: Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of random six-second pieces, with the level changed at random."""
    shift, scale = cmvn
    order = rng.permutation(len(corpus.frames))
    for at in range(0, len(order) - BATCH + 1, BATCH):
        feats, labels = [], []
        for i in order[at : at + BATCH]:
            frames, speech = corpus.frames[i].float(), corpus.speech[i].long()
            start = int(rng.integers(0, max(len(frames) - PIECE, 0) + 1))
            label = speech[start : start + PIECE]
            piece = frames[start : start + PIECE]
            if rng.random() < 0.3:
                piece = gated(rng, piece, label.bool())
            piece = vad_data.stacked(piece)
            # In log mel a factor is a sum; exact zeros stay what they are.
            gain = float(rng.uniform(-4.0, 2.0))
            piece = torch.where(piece > ZERO + 0.1, piece + gain, piece)
            # The start of a piece is the start of a stream to the network.
            missing = PIECE - len(piece)
            feats.append(torch.nn.functional.pad((piece + shift) * scale, (0, 0, 0, missing)))
            labels.append(torch.nn.functional.pad(label, (0, missing), value=-100))
        yield torch.stack(feats), torch.stack(labels)


@torch.no_grad()
def frame_error(model: torch.nn.Module, corpus: vad_data.Corpus, cmvn: Cmvn) -> float:
    """Mean of missed speech and false speech, of all frames, at equal odds."""
    wrong, total = np.zeros(2), np.zeros(2)
    for frames, speech in zip(corpus.frames, corpus.speech):
        feats = (vad_data.stacked(frames.float()) + cmvn[0]) * cmvn[1]
        heard = model.encoder(feats[None], None)[0, :, 1] > 0.5
        for kind in (0, 1):
            wrong[kind] += int(((heard != speech) & (speech == kind)).sum())
            total[kind] += int((speech == kind).sum())
    return float(np.mean(wrong / np.maximum(total, 1)))


def train(
    args: argparse.Namespace, corpus: vad_data.Corpus, dev: vad_data.Corpus, cmvn: Cmvn
) -> dict[str, Any]:
    """Train, keep the best epoch in `args.out`, and tell how the run went."""
    torch.manual_seed(args.seed)
    model = build_vad()
    if args.init:
        model.load_state_dict(torch.load(args.init / "model.pt", weights_only=True))
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.01)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    rng = np.random.default_rng([args.seed, 98, int(args.init is not None)])
    steps = len(corpus.frames) // BATCH * args.epochs
    begin, step, best, best_epoch = time.monotonic(), 0, 1.0, 0
    # The network ends in a softmax; the loss wants what goes into it.
    model.encoder.use_softmax = False
    for epoch in range(1, args.epochs + 1):
        losses = []
        for feats, labels in pieces(corpus, cmvn, rng):
            for group in optimizer.param_groups:
                group["lr"] = args.learning_rate * rate_at(step / steps)
            loss = loss_of(model.encoder(feats, None).flatten(0, 1), labels.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(float(loss))
            step += 1
        model.encoder.use_softmax = True
        error = frame_error(model, dev, cmvn)
        model.encoder.use_softmax = False
        minutes = (time.monotonic() - begin) / 60.0
        print(
            f"epoch {epoch} loss {np.mean(losses):.4f} dev frame error {100 * error:.2f} % "
            f"after {minutes:.1f} min",
            flush=True,
        )
        if error <= best:
            best, best_epoch = error, epoch
            save_weights(model, args.out)
    return {
        "epochs": args.epochs,
        "best_epoch": best_epoch,
        "steps": step,
        "minutes": round(minutes, 1),
        "dev_frame_error_percent": round(100 * best, 2),
        "training_recordings": len(corpus.frames),
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
    parser.add_argument("--recordings", type=int, default=3000)
    parser.add_argument("--dev-recordings", type=int, default=100)
    parser.add_argument("--test-recordings", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work = args.work_dir or Path(tempfile.mkdtemp(prefix="safeasr-demo-vad-"))
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    corpora = []
    for split, count, seed in (
        ("train", args.recordings, args.seed),
        ("dev", args.dev_recordings, TEST_SEED),
    ):
        source = make_source(split, seed, real, args.held_out_speaker)
        name = f"vad-{split}-{seed}-{count}-{source.real_share if real else 0:g}.pt"
        corpora.append(vad_data.build_corpus(source, count, work / name, args.threads))
    # The weights only fit the statistics they were trained with.
    cmvn = tuple(load_cmvn(args.init / "am.mvn")) if args.init else vad_data.cmvn_of(corpora[0])
    write_directory(args.out, cmvn, vad_config(), "voice-activity-detection")
    run = train(args, corpora[0], corpora[1], cmvn)
    measure(args.out, args.test_recordings, real, args.held_out_speaker, run)


if __name__ == "__main__":
    main()
