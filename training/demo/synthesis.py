# SPDX-License-Identifier: Apache-2.0
"""Makes spoken utterances: espeak-ng speech, real digits, pauses, rooms and noise."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.random import Generator

from .vocabulary import ACCENTS, COMMANDS, DIGITS, WORDS

RATE = 16000
Wave = np.ndarray
# (speaker, digit word) -> recordings at 16 kHz
RealDigits = dict[tuple[str, str], list[Wave]]


@dataclass(frozen=True)
class Speaker:
    """One way of speaking: an espeak-ng voice with its speed and pitch."""

    voice: str
    speed: int
    pitch: int
    gap: int


def load_real_digits(path: Path) -> RealDigits:
    """Read the Free Spoken Digit Dataset (a tar archive or a folder of WAV files).

    Files are named `<digit>_<speaker>_<index>.wav`; they keep the order of
    their index, because the last ones of each speaker serve as the dev set.
    """
    if path.is_dir():
        blobs = {p.name: p.read_bytes() for p in path.rglob("*.wav")}
    else:
        blobs = {}
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".wav"):
                    blobs[Path(member.name).name] = archive.extractfile(member).read()
    found: dict[tuple[str, str], list[tuple[int, Wave]]] = {}
    for name, blob in blobs.items():
        digit, speaker, index = name[: -len(".wav")].split("_")
        wave, rate = soundfile.read(io.BytesIO(blob), dtype="float32")
        wave = soxr.resample(wave, rate, RATE).astype(np.float32)
        found.setdefault((speaker, DIGITS[int(digit)]), []).append((int(index), wave))
    return {key: [w for _, w in sorted(found[key], key=lambda x: x[0])] for key in sorted(found)}


def random_speaker(rng: Generator, voices: list[str]) -> Speaker:
    """Draw a voice with an accent, a speed and a pitch."""
    voice = f"{rng.choice(ACCENTS)}+{rng.choice(voices)}"
    return Speaker(
        voice, int(rng.integers(115, 215)), int(rng.integers(25, 76)), int(rng.integers(0, 9))
    )


def trim(wave: Wave) -> Wave:
    """Cut the silence that espeak-ng leaves around its speech."""
    loud = np.flatnonzero(np.abs(wave) > 0.01 * max(float(np.abs(wave).max(initial=0.0)), 1e-4))
    if loud.size == 0:
        return wave
    return wave[max(loud[0] - 160, 0) : loud[-1] + 320]


def say(words: list[str], speaker: Speaker) -> Wave:
    """Speak some words with espeak-ng, without silence around them."""
    command = [
        "espeak-ng",
        "-v",
        speaker.voice,
        "-s",
        str(speaker.speed),
        "-p",
        str(speaker.pitch),
        "-g",
        str(speaker.gap),
        "--stdout",
        " ".join(words),
    ]
    blob = subprocess.run(command, check=True, capture_output=True).stdout
    # espeak-ng cannot seek in a pipe, so the sizes in its WAV header are wrong:
    # take the samples after the 44 bytes of the header instead.
    rate = int.from_bytes(blob[24:28], "little")
    samples = blob[44 : len(blob) - len(blob) % 2]
    wave = np.frombuffer(samples, dtype="<i2").astype(np.float32) / 32768.0
    wave = trim(soxr.resample(wave, rate, RATE).astype(np.float32))
    return wave / max(float(np.abs(wave).max(initial=0.0)), 1e-3) * 0.5


def fade(wave: Wave, samples: int = 80) -> Wave:
    """Soften both ends, so that joining recordings makes no clicks."""
    wave = wave.copy()
    n = min(samples, len(wave) // 2)
    ramp = np.linspace(0.0, 1.0, n, dtype=np.float32)
    wave[:n] *= ramp
    wave[len(wave) - n :] *= ramp[::-1]
    return wave


def random_words(rng: Generator, longest: int = 10) -> list[str]:
    """Draw the words of one utterance; short utterances are more frequent."""
    weights = 1.0 / (3.0 + np.arange(1, longest + 1))
    count = int(rng.choice(np.arange(1, longest + 1), p=weights / weights.sum()))
    pool = [DIGITS, COMMANDS, WORDS][int(rng.choice(3, p=[0.3, 0.3, 0.4]))]
    return [str(w) for w in rng.choice(pool, size=count)]


def groups_of(rng: Generator, words: list[str]) -> list[list[str]]:
    """Split words into breath groups of one to four words."""
    groups, at = [], 0
    while at < len(words):
        size = int(rng.integers(1, 5))
        groups.append(words[at : at + size])
        at += size
    return groups


def silence(rng: Generator, low: float, high: float) -> Wave:
    """A pause of a random length in seconds."""
    return np.zeros(int(rng.uniform(low, high) * RATE), dtype=np.float32)


def speak(
    rng: Generator,
    words: list[str],
    speaker: Speaker,
    real: RealDigits | None = None,
    real_speaker: str = "",
    real_share: float = 1.0,
) -> Wave:
    """Speak words with pauses; digits may come from a real speaker's recordings.

    `real_share` is the chance that a digit is a recording. Mixing recordings
    and synthetic words in one utterance keeps the model from learning that
    real speech is always a digit.
    """
    parts = [silence(rng, 0.03, 0.4)]
    for group in groups_of(rng, words):
        run: list[str] = []
        for word in group:
            if real and word in DIGITS and rng.random() < real_share:
                if run:
                    parts += [say(run, speaker), silence(rng, 0.02, 0.25)]
                    run = []
                takes = real[(real_speaker, word)]
                take = takes[int(rng.integers(len(takes)))]
                take = take / max(float(np.abs(take).max()), 1e-3) * rng.uniform(0.3, 0.6)
                parts += [fade(take.astype(np.float32)), silence(rng, 0.02, 0.25)]
            else:
                run.append(word)
        if run:
            parts.append(say(run, speaker))
        parts.append(silence(rng, 0.0, 0.15 if rng.random() < 0.5 else 0.8))
    parts.append(silence(rng, 0.03, 0.35))
    return np.concatenate(parts)


def coloured_noise(rng: Generator, samples: int, slope: float) -> Wave:
    """Noise whose power falls with frequency: slope 0 is white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.maximum(np.fft.rfftfreq(samples, 1.0 / RATE), 20.0) ** (slope / 2)
    noise = np.fft.irfft(spectrum, samples)
    return (noise / max(float(np.std(noise)), 1e-9)).astype(np.float32)


def add_noise(rng: Generator, wave: Wave, snr_db: float) -> Wave:
    """Add coloured noise, measured against the level of the speech."""
    level = float(np.sqrt(np.mean(wave[np.abs(wave) > 0.01] ** 2))) if (wave > 0.01).any() else 0.1
    noise = coloured_noise(rng, len(wave), float(rng.uniform(0.0, 2.0)))
    return wave + noise * level * 10.0 ** (-snr_db / 20.0)


def resize(rng: Generator, wave: Wave) -> Wave:
    """Half of the time, play faster or slower, which also changes the voice's size."""
    if rng.random() < 0.5:
        wave = soxr.resample(wave, RATE, RATE * rng.uniform(0.87, 1.15)).astype(np.float32)
    return wave


def channel(rng: Generator, wave: Wave) -> Wave:
    """Random tone, room and telephone band; the length stays."""
    if rng.random() < 0.4:  # tone of the microphone: a slope of up to 9 dB over the band
        spectrum = np.fft.rfft(wave)
        slope = rng.uniform(-9.0, 9.0) * np.linspace(-0.5, 0.5, len(spectrum))
        wave = np.fft.irfft(spectrum * 10.0 ** (slope / 20.0), len(wave)).astype(np.float32)
    if rng.random() < 0.25:  # a small room: decaying noise as its impulse response
        tail = int(rng.uniform(0.05, 0.25) * RATE)
        room = rng.standard_normal(tail) * np.exp(-6.0 * np.arange(tail) / tail)
        room *= rng.uniform(0.1, 0.4) / np.sqrt(np.sum(room**2))
        room[0] = 1.0
        size = len(wave) + tail
        wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(room, size), size)
        wave = wet[: len(wave)].astype(np.float32)
    if rng.random() < 0.3:
        narrow = soxr.resample(soxr.resample(wave, RATE, 8000), 8000, RATE)
        wave = narrow.astype(np.float32)
    return wave


def effects(rng: Generator, wave: Wave) -> Wave:
    """Random voice size, tone, room, telephone band, noise and level."""
    wave = channel(rng, resize(rng, wave))
    if rng.random() < 0.85:
        wave = add_noise(rng, wave, float(rng.uniform(8.0, 45.0)))
    peak = max(float(np.abs(wave).max(initial=0.0)), 1e-6)
    return (wave / peak * 10.0 ** rng.uniform(-1.3, -0.05)).astype(np.float32)
