# SPDX-License-Identifier: Apache-2.0
"""Makes recordings with known speech and silence for the demo's voice activity detector."""

from __future__ import annotations

import itertools
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from numpy.random import Generator

from . import synthesis as syn
from . import vad_telephone
from .dataset import SPLIT_SEED, Source
from .vocabulary import DIGITS

MELS, STACK = 80, 5
SHIFT, WINDOW = syn.RATE // 100, syn.RATE // 40
FRONTEND_CONF = {
    "fs": syn.RATE,
    "window": "hamming",
    "n_mels": MELS,
    "frame_length": 25,
    "frame_shift": 10,
    "dither": 0.0,
    "lfr_m": STACK,
    "lfr_n": 1,
}
# How many recordings end in a telephone line, behind their noise.
TELEPHONE_SHARE = 0.4
# Nonsense words in the sounds of many languages: the detector should know
# speech in general, not the recognizer's 34 words.
LANGUAGES = "en-us en de fr-fr es it pt ru tr sw id fi hi ja pl".split()
_ONSETS = "b d f g h k l m n p r s t v w z sh st tr pl".split()
_VOWELS = "a e i o u ai ei au".split()


@dataclass
class Corpus:
    """Log mel frames (float16) and whether each is speech, one entry per recording."""

    frames: list[torch.Tensor]
    speech: list[torch.Tensor]


def nonsense(rng: Generator) -> list[str]:
    """One to seven made-up words."""
    return [
        "".join(
            str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS))
            for _ in range(int(rng.integers(1, 5)))
        )
        for _ in range(int(rng.integers(1, 8)))
    ]


def voice_part(rng: Generator, source: Source) -> syn.Wave:
    """One stretch of speech of a random level, without silence around it."""
    if source.real_speakers and rng.random() < source.real_share:
        name = str(rng.choice(source.real_speakers))
        parts = []
        for _ in range(int(rng.integers(1, 7))):
            takes = source.real[(name, str(rng.choice(DIGITS)))]
            take = takes[int(rng.integers(len(takes)))]
            parts += [syn.fade(take), syn.silence(rng, 0.02, 0.2)]
        wave = syn.trim(np.concatenate(parts[:-1]))
    else:
        speaker = syn.random_speaker(rng, source.voices)
        if rng.random() < 0.3:
            words = syn.random_words(rng)
        else:
            words = nonsense(rng)
            voice = f"{rng.choice(LANGUAGES)}+{rng.choice(source.voices)}"
            speaker = syn.Speaker(voice, speaker.speed, speaker.pitch, speaker.gap)
        wave = syn.say(words, speaker)
    wave = syn.resize(rng, wave)
    return wave / max(float(np.abs(wave).max()), 1e-3) * 0.5 * 10.0 ** rng.uniform(-0.5, 0.0)


def speech_frames(wave: syn.Wave) -> np.ndarray:
    """Which 25 ms frames of clean speech are speech, by their energy.

    The limit is 38 dB below the loudest frame; gaps of up to 150 ms, as the closures
    of plosives, belong to the speech around them.
    """
    count = max((len(wave) - WINDOW) // SHIFT + 1, 0)
    energy = np.array([np.mean(wave[i * SHIFT : i * SHIFT + WINDOW] ** 2) for i in range(count)])
    loud = energy > energy.max(initial=0.0) * 10.0**-3.8
    at = np.flatnonzero(loud)
    for left, right in itertools.pairwise(at):
        if right - left <= 15:
            loud[left:right] = True
    return loud


def background(rng: Generator, samples: int, source: Source) -> syn.Wave:
    """Noise of a random kind with a deviation of one."""
    kind = rng.choice(["coloured", "coloured", "hum", "babble", "waves"])
    noise = syn.coloured_noise(rng, samples, float(rng.uniform(0.0, 2.0)))
    time = np.arange(samples) / syn.RATE
    if kind == "hum":  # the mains and their overtones
        base = float(rng.choice([50.0, 60.0])) * rng.uniform(0.99, 1.01)
        tones = [
            np.sin(2 * np.pi * (base * n * time + rng.random())) * rng.uniform(0.0, 1.0) / n
            for n in range(1, int(rng.integers(2, 20)))
        ]
        noise = np.sum(tones, axis=0) + noise * rng.uniform(0.02, 0.3)
    elif kind == "babble":  # several people at once, from afar
        noise *= 0.2
        for _ in range(int(rng.integers(3, 7))):
            voice = syn.say(nonsense(rng), syn.random_speaker(rng, source.voices))
            voice = np.resize(voice, samples)
            noise += np.roll(voice / max(float(voice.std()), 1e-3), int(rng.integers(samples)))
    elif kind == "waves":  # noise that comes and goes, as traffic or wind
        noise *= 10.0 ** (rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * rng.uniform(0.1, 2.0) * time))
    return (noise / max(float(noise.std()), 1e-9)).astype(np.float32)


def recording(source: Source, index: int) -> tuple[syn.Wave, np.ndarray]:
    """Make recording `index` of a split, and tell which of its frames are speech."""
    rng = np.random.default_rng([source.seed, 17, SPLIT_SEED[source.split], index])
    parts, marks = [], []
    length, spoken = 0, rng.random() >= 0.06
    wanted = int(rng.uniform(6.0, 14.0) * syn.RATE)
    while length < wanted:
        pause = syn.silence(rng, 0.05, 0.4 if rng.random() < 0.4 else 2.6)
        voice = voice_part(rng, source) if spoken else syn.silence(rng, 0.5, 2.0)
        parts += [pause, syn.fade(voice)]
        marks.append((length + len(pause), voice))
        length += len(pause) + len(voice)
    parts.append(syn.silence(rng, 0.1, 1.5))
    clean = np.concatenate(parts)
    speech = np.zeros((len(clean) - WINDOW) // SHIFT + 1, dtype=bool)
    for start, voice in marks:
        found = np.flatnonzero(speech_frames(voice))
        # A frame is speech if its middle is; `start` need not be on the grid.
        at = (start + found * SHIFT + SHIFT // 2) // SHIFT
        speech[at[at < len(speech)]] = True
    level = float(np.sqrt(np.mean(clean[np.abs(clean) > 0.01] ** 2))) if spoken else 0.1
    wave = syn.channel(rng, clean)
    if rng.random() < 0.93:
        ratio = 10.0 ** (-rng.uniform(6.0, 50.0) / 20.0)
        wave = wave + background(rng, len(wave), source) * level * ratio
    for _ in range(int(rng.integers(0, 6)) if rng.random() < 0.4 else 0):
        # Clicks and taps: far shorter than speech.
        size = int(rng.uniform(0.002, 0.03) * syn.RATE)
        begin = int(rng.integers(0, len(wave) - size))
        tap = rng.standard_normal(size) * np.exp(-5.0 * np.arange(size) / size)
        wave[begin : begin + size] += tap * rng.uniform(0.02, 0.4)
    peak = max(float(np.abs(wave).max()), 1e-6)
    wave = wave / peak * 10.0 ** rng.uniform(-2.0, -0.02)
    return wave.astype(np.float32), speech


def through_line(source: Source, index: int, wave: syn.Wave, speech: np.ndarray) -> syn.Wave:
    """A share of the recordings as a telephone gives them, the others as a 16 bit file does."""
    # Draws of its own: the recordings are the same, whatever is done with them here.
    rng = np.random.default_rng([source.seed, 18, SPLIT_SEED[source.split], index])
    if rng.random() < TELEPHONE_SHARE:
        return vad_telephone.telephone(rng, wave, speech, SHIFT)
    # Rounded, so that silence is exactly zero.
    return vad_telephone.rounded(wave)


_state: dict[str, object] = {}


def _start_worker(source: Source) -> None:
    torch.set_num_threads(1)
    _state["source"] = source
    # Frames are kept single and stacked when used: a fifth of the memory.
    _state["frontend"] = WavFrontend(cmvn_file=None, **{**FRONTEND_CONF, "lfr_m": 1})


def _work(index: int) -> tuple[np.ndarray, np.ndarray]:
    wave, speech = recording(_state["source"], index)
    samples = torch.from_numpy(through_line(_state["source"], index, wave, speech))[None]
    frames, _ = _state["frontend"](samples, torch.tensor([samples.shape[1]]))
    return frames[0].to(torch.float16).numpy(), speech[: frames.shape[1]]


def build_corpus(source: Source, count: int, cache: Path, workers: int) -> Corpus:
    """Make (or reload) the frames of a split."""
    if cache.exists():
        saved = torch.load(cache, weights_only=True)
        return Corpus(saved["frames"], saved["speech"])
    frames, speech = [], []
    with multiprocessing.get_context("fork").Pool(workers, _start_worker, (source,)) as pool:
        for done, (frame, label) in enumerate(pool.imap(_work, range(count), chunksize=8), 1):
            frames.append(torch.from_numpy(frame))
            speech.append(torch.from_numpy(label))
            if done % 500 == 0:
                print(f"{source.split}: {done} of {count} recordings", flush=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"frames": frames, "speech": speech}, cache)
    return Corpus(frames, speech)


def stacked(frames: torch.Tensor) -> torch.Tensor:
    """What FunASR's frontend makes of single frames: each with two before and two after it."""
    side = (STACK - 1) // 2
    padded = torch.cat([frames[:1].repeat(side, 1), frames, frames[-1:].repeat(side, 1)])
    return torch.cat([padded[i : i + len(frames)] for i in range(STACK)], dim=1)


def cmvn_of(corpus: Corpus) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift (minus the mean) and scale (one over the deviation) of the stacked frames."""
    every = torch.cat([f.double() for f in corpus.frames])
    mean, deviation = every.mean(0), every.std(0).clamp_min(1e-3)
    return (-mean).float().repeat(STACK), (1.0 / deviation).float().repeat(STACK)
