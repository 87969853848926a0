# SPDX-License-Identifier: Apache-2.0
"""Plans utterances, turns them into FunASR features, and serves batches."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from numpy.random import Generator

from . import synthesis as syn
from .vocabulary import DIGITS, WORD_ID, voices_of

SPLIT_SEED = {"train": 0, "dev": 1, "test": 2}
MELS, STACK, STEP = 80, 7, 6
FRONTEND_CONF = {
    "fs": syn.RATE,
    "window": "hamming",
    "n_mels": MELS,
    "frame_length": 25,
    "frame_shift": 10,
    "lfr_m": STACK,
    "lfr_n": STEP,
    "dither": 0.0,
}


@dataclass
class Source:
    """What utterances of one split are made of."""

    split: str
    seed: int
    voices: list[str]
    real: syn.RealDigits
    real_speakers: list[str]
    real_share: float = 0.35


@dataclass
class Corpus:
    """Features (float16, before CMVN) and word ids, one entry per utterance."""

    feats: list[torch.Tensor]
    texts: list[torch.Tensor]

    def frames(self) -> int:
        """Number of stacked 60 ms frames."""
        return sum(len(f) for f in self.feats)


def make_source(split: str, seed: int, real: syn.RealDigits, held_out: str) -> Source:
    """Choose voices and recordings of a split.

    The held-out speaker never appears here; of the others, the last five
    takes of each digit are the dev set.
    """
    part = slice(0, 45) if split == "train" else slice(45, None)
    kept = {
        key: takes[part]
        for key, takes in real.items()
        if key[0] != held_out and split != "test" and takes[part]
    }
    return Source(split, seed, voices_of(split), kept, sorted({k[0] for k in kept}))


def utterance(source: Source, index: int) -> tuple[syn.Wave, list[str]]:
    """Make utterance `index` of a split; the same index always gives the same sound."""
    rng: Generator = np.random.default_rng([source.seed, SPLIT_SEED[source.split], index])
    if source.split == "train" and rng.random() < 0.01:
        # A few recordings without speech teach the model to return no words.
        noise = syn.coloured_noise(rng, int(rng.uniform(0.4, 2.5) * syn.RATE), rng.uniform(0, 2))
        return (noise * 10.0 ** rng.uniform(-4.0, -1.5)).astype(np.float32), []
    words = syn.random_words(rng)
    speaker = syn.random_speaker(rng, source.voices)
    if source.real_speakers and rng.random() < source.real_share:
        share = 1.0
        if rng.random() < 0.3:
            share = 0.6
        else:
            words = [str(w) for w in rng.choice(DIGITS, size=len(words))]
        name = str(rng.choice(source.real_speakers))
        wave = syn.speak(rng, words, speaker, source.real, name, share)
    else:
        wave = syn.speak(rng, words, speaker)
    return syn.effects(rng, wave), words


_state: dict[str, object] = {}


def _start_worker(source: Source) -> None:
    torch.set_num_threads(1)
    _state["source"] = source
    _state["frontend"] = WavFrontend(cmvn_file=None, **FRONTEND_CONF)


def _work(index: int) -> tuple[np.ndarray, list[str]]:
    wave, words = utterance(_state["source"], index)
    samples = torch.from_numpy(wave)[None]
    feats, _ = _state["frontend"](samples, torch.tensor([samples.shape[1]]))
    return feats[0].to(torch.float16).numpy(), words


def build_corpus(source: Source, count: int, cache: Path, workers: int) -> Corpus:
    """Make (or reload) the features of a split."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        return Corpus(saved["feats"], saved["texts"])
    feats, texts = [], []
    # "fork" shares the imported modules and the recordings with the workers.
    with multiprocessing.get_context("fork").Pool(workers, _start_worker, (source,)) as pool:
        for done, (feat, words) in enumerate(pool.imap(_work, range(count), chunksize=16), 1):
            feats.append(torch.from_numpy(feat))
            texts.append(torch.tensor([WORD_ID[w] for w in words], dtype=torch.int64))
            if done % 1000 == 0:
                print(f"{source.split}: {done} of {count} utterances", flush=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"feats": feats, "texts": texts}, cache)
    return Corpus(feats, texts)


def cmvn_of(corpus: Corpus) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift (minus the mean) and scale (one over the deviation) of the features."""
    total = torch.zeros(MELS * STACK, dtype=torch.float64)
    square = torch.zeros_like(total)
    for feat in corpus.feats:
        value = feat.double()
        total += value.sum(0)
        square += (value**2).sum(0)
    mean = total / corpus.frames()
    deviation = (square / corpus.frames() - mean**2).clamp_min(1e-6).sqrt()
    return (-mean).float(), (1.0 / deviation).float()


def _masked(rng: Generator, feat: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Vary level and tone, then hide a band of mels and a moment (as SpecAugment does)."""
    tilt = rng.uniform(-1.2, 1.2) + rng.uniform(-1.0, 1.0) * np.linspace(-0.5, 0.5, MELS)
    shift = torch.from_numpy(np.tile(tilt, STACK).astype(np.float32))
    # Same tone in all stacked frames; `scale` turns log energy into CMVN units.
    feat = feat + shift * scale
    width = int(rng.integers(0, 13))
    low = int(rng.integers(0, MELS - width))
    feat.view(-1, STACK, MELS)[:, :, low : low + width] = 0.0
    if len(feat) > 12 and rng.random() < 0.5:
        # Two frames (120 ms) hide a part of a word, never a whole one.
        at = int(rng.integers(0, len(feat) - 2))
        feat[at : at + 2] = 0.0
    return feat


def batches(
    corpus: Corpus,
    cmvn: tuple[torch.Tensor, torch.Tensor],
    frames_per_batch: int,
    rng: Generator | None,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield (speech, lengths, text, lengths) with utterances of similar length.

    With `rng` the order is shuffled and the features are augmented; without
    it, the batches keep one fixed order, for evaluation.
    """
    lengths = np.array([len(f) for f in corpus.feats])
    noise = rng.uniform(0.9, 1.1, len(lengths)) if rng is not None else 1.0
    groups: list[list[int]] = [[]]
    for index in np.argsort(lengths * noise, kind="stable"):
        longest = max([lengths[i] for i in groups[-1]], default=0)
        if max(longest, lengths[index]) * (len(groups[-1]) + 1) > frames_per_batch:
            groups.append([])
        groups[-1].append(int(index))
    order = rng.permutation(len(groups)) if rng is not None else range(len(groups))
    for group in (groups[i] for i in order if groups[i]):
        # The utterance with most words comes last: FunASR's CIF fails on a batch
        # whose last utterance yields no token, as those without speech may.
        group.sort(key=lambda i: len(corpus.texts[i]))
        feats = [(corpus.feats[i].float() + cmvn[0]) * cmvn[1] for i in group]
        if rng is not None:
            feats = [_masked(rng, f, cmvn[1]) for f in feats]
        yield (
            torch.nn.utils.rnn.pad_sequence(feats, batch_first=True),
            torch.tensor([len(f) for f in feats]),
            torch.nn.utils.rnn.pad_sequence(
                [corpus.texts[i] for i in group], batch_first=True, padding_value=-1
            ),
            torch.tensor([len(corpus.texts[i]) for i in group]),
        )
