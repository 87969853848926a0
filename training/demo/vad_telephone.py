# SPDX-License-Identifier: Apache-2.0
"""Sends recordings, their noise included, down telephone lines, which empty parts of the band."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import scipy.ndimage
import scipy.signal
import soundfile
import soxr
from numpy.random import Generator

from . import synthesis as syn

NARROW = 8000
#: Container and coding of what telephones use, all at 8 kHz; libsndfile has the coders.
CODECS = [
    ("WAV", "ULAW"),
    ("WAV", "ALAW"),
    ("WAV", "GSM610"),
    ("WAV", "IMA_ADPCM"),
    ("AU", "G721_32"),
    ("WAV", "PCM_16"),
]
# Not VHQ: it differs from HQ by less than 16 bits can hold.
QUALITIES = ["HQ", "MQ", "LQ", "QQ"]


def rounded(wave: syn.Wave) -> syn.Wave:
    """What a file of 16 bits holds."""
    return (np.round(wave * 32767.0) / 32767.0).astype(np.float32)


def band_pass(wave: syn.Wave, low: float, high: float, order: int = 8) -> syn.Wave:
    """Keep what lies between two frequencies in Hz; `low` 0 keeps everything below `high`."""
    kind, edges = ("bandpass", [low, high]) if low > 0 else ("lowpass", high)
    sections = scipy.signal.butter(order, edges, kind, fs=syn.RATE, output="sos")
    # Forwards and backwards, so that speech stays where its labels are.
    return scipy.signal.sosfiltfilt(sections, wave).astype(np.float32)


def brick_wall(wave: syn.Wave, low: float, high: float) -> syn.Wave:
    """Keep what lies between two frequencies in Hz, and of the rest nothing at all."""
    spectrum = np.fft.rfft(wave)
    at = np.fft.rfftfreq(len(wave), 1.0 / syn.RATE)
    spectrum[(at < low) | (at > high)] = 0.0
    return np.fft.irfft(spectrum, len(wave)).astype(np.float32)


def coded(wave: syn.Wave, container: str, coding: str) -> syn.Wave:
    """What a coder for 8 kHz leaves of a wave at 8 kHz, in as many samples."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(wave, -1.0, 1.0), NARROW, format=container, subtype=coding)
    file.seek(0)
    heard, _ = soundfile.read(file, dtype="float32")
    # Coders that work in blocks fill the last one up.
    return heard[: len(wave)]


def resampled(
    wave: syn.Wave,
    rate: float = NARROW,
    quality: str = "HQ",
    between: Callable[[syn.Wave], syn.Wave] | None = None,
) -> syn.Wave:
    """Go down to a rate and back up, with something done in between; the length stays."""
    narrow = soxr.resample(wave, syn.RATE, rate, quality=quality).astype(np.float32)
    if between is not None:
        narrow = between(narrow)
    wide = soxr.resample(narrow, rate, syn.RATE, quality=quality).astype(np.float32)
    return np.pad(wide, (0, max(len(wave) - len(wide), 0)))[: len(wave)]


def muted(rng: Generator, wave: syn.Wave, speech: np.ndarray, shift: int) -> syn.Wave:
    """Make pauses digital silence, as lines do that send nothing while nobody speaks.

    `speech` tells of each frame, one every `shift` samples, whether it is speech.
    """
    heard = scipy.ndimage.binary_dilation(speech, iterations=int(rng.integers(5, 40)))
    sent = np.repeat(heard, shift)
    return wave * np.pad(sent, (0, max(len(wave) - len(sent), 0)), mode="edge")[: len(wave)]


def telephone(rng: Generator, wave: syn.Wave, speech: np.ndarray, shift: int) -> syn.Wave:
    """A recording as a line of a random kind gives it; the length stays.

    Half of the lines give what a 16 bit file holds, and the others more exact samples, whose
    empty bands are emptier.
    """
    if rng.random() < 0.2:
        wave = muted(rng, wave, speech, shift)
    low = rng.uniform(80.0, 400.0) if rng.random() < 0.6 else 0.0
    way = rng.choice(["filter", "brick wall", "rate", "codec"], p=[0.2, 0.15, 0.25, 0.4])
    if way == "filter":
        wave = band_pass(wave, low, rng.uniform(3000.0, 4200.0), int(rng.integers(3, 11)))
    elif way == "brick wall":
        wave = brick_wall(wave, low, rng.uniform(3000.0, 7000.0))
    else:
        if low > 0:
            wave = band_pass(wave, low, 3400.0, int(rng.integers(3, 9)))
        quality = str(rng.choice(QUALITIES))
        if way == "codec":
            container, coding = CODECS[int(rng.integers(len(CODECS)))]
            wave = resampled(wave, NARROW, quality, lambda narrow: coded(narrow, container, coding))
        else:
            rate = float(rng.choice([NARROW, 11025, 12000], p=[0.7, 0.15, 0.15]))
            wave = resampled(wave, rate, quality)
    return wave if rng.random() < 0.5 else rounded(wave)


#: Ways of making a recording narrow that do not change, for measuring.
MEASURED: dict[str, Callable[[syn.Wave], syn.Wave]] = {
    "band-pass from 300 to 3,400 Hz": lambda wave: band_pass(wave, 300.0, 3400.0),
    "8 kHz and back": resampled,
    "8 kHz in µ-law and back": lambda wave: resampled(
        wave, between=lambda narrow: coded(narrow, "WAV", "ULAW")
    ),
}
