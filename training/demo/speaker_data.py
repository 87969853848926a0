# SPDX-License-Identifier: Apache-2.0
"""People for the demo's speaker model: voices of espeak-ng and real ones, and what they say."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from funasr.models.campplus.utils import extract_feature
from numpy.random import Generator

from . import synthesis as syn
from .dataset import SPLIT_SEED, Source
from .vad_data import nonsense
from .vocabulary import ACCENTS, DIGITS

MELS = 80
#: Mean pitches at which one espeak-ng voice counts as so many people.
PITCHES = {"train": (35, 50, 65), "dev": (40, 60), "test": (50,)}


@dataclass(frozen=True)
class Person:
    """Somebody to be told from others: an espeak-ng voice at a pitch, or a real speaker."""

    voice: str
    pitch: int = 0

    @property
    def is_real(self) -> bool:
        """Whether there are recordings of them."""
        return self.pitch == 0


@dataclass
class Corpus:
    """Log mel frames (float16) of utterances, and the number of the person who speaks."""

    frames: list[torch.Tensor]
    people: list[int]


def people_of(source: Source) -> list[Person]:
    """Everybody of a split, in a fixed order."""
    synthetic = [Person(v, pitch) for v in source.voices for pitch in PITCHES[source.split]]
    return synthetic + [Person(name) for name in source.real_speakers]


def _digits(rng: Generator, source: Source, name: str) -> syn.Wave:
    parts = []
    for _ in range(int(rng.integers(5, 9))):
        takes = source.real[(name, str(rng.choice(DIGITS)))]
        take = syn.fade(takes[int(rng.integers(len(takes)))])
        parts += [take / max(float(np.abs(take).max()), 1e-3) * 0.5, syn.silence(rng, 0.02, 0.12)]
    return syn.trim(np.concatenate(parts))


def clean_speech(rng: Generator, source: Source, person: Person) -> syn.Wave:
    """Some seconds of somebody, in any accent and at any speed, without silence around them."""
    if person.is_real:
        return _digits(rng, source, person.voice)
    accent, speed = str(rng.choice(ACCENTS)), int(rng.integers(120, 200))
    pitch = person.pitch + int(rng.integers(-4, 5))
    speaker = syn.Speaker(f"{accent}+{person.voice}", speed, pitch, int(rng.integers(0, 4)))
    words = nonsense(rng) + nonsense(rng) if rng.random() < 0.5 else []
    while len(words) < 7:
        words += syn.random_words(rng)
    return syn.say(words[:10], speaker)


def recorded(rng: Generator, wave: syn.Wave) -> syn.Wave:
    """The same through some microphone in some room; the size of the voice stays."""
    wave = syn.channel(rng, wave)
    if rng.random() < 0.8:
        wave = syn.add_noise(rng, wave, float(rng.uniform(10.0, 45.0)))
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-6)
    return (wave / peak * 10.0 ** rng.uniform(-1.2, -0.05)).astype(np.float32)


_source: list[Source] = []


def _start_worker(source: Source) -> None:
    torch.set_num_threads(1)
    _source[:] = [source]


def _work(index: int) -> tuple[int, np.ndarray]:
    source = _source[0]
    people = people_of(source)
    number = index % len(people)
    rng = np.random.default_rng([source.seed, 7, SPLIT_SEED[source.split], index])
    wave = recorded(rng, clean_speech(rng, source, people[number]))
    frames = extract_feature([torch.from_numpy(wave)])[0][0]
    return number, frames.to(torch.float16).numpy()


def build_corpus(source: Source, each: int, cache: Path, workers: int) -> Corpus:
    """Make (or reload) so many utterances of everybody."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        return Corpus(saved["frames"], saved["people"])
    frames, numbers = [], []
    count = each * len(people_of(source))
    with multiprocessing.get_context("fork").Pool(workers, _start_worker, (source,)) as pool:
        for number, utterance in pool.imap(_work, range(count), chunksize=16):
            numbers.append(number)
            frames.append(torch.from_numpy(utterance))
            if len(frames) % 1000 == 0:
                print(f"{source.split}: {len(frames)} of {count} utterances", flush=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"frames": frames, "people": numbers}, cache)
    return Corpus(frames, numbers)


def crops(corpus: Corpus, length: int, rng: Generator) -> torch.Tensor:
    """A random stretch of so many frames of each utterance, its mean taken away, float32."""
    chosen = []
    for frames in corpus.frames:
        start = int(rng.integers(0, max(len(frames) - length, 0) + 1))
        piece = frames[start : start + length].float()
        assert len(piece) > 0
        while len(piece) < length:  # said again, where it is too short
            piece = torch.cat([piece, piece[: length - len(piece)]])
        chosen.append(piece - piece.mean(0))
    return torch.stack(chosen)
