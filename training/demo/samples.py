# SPDX-License-Identifier: Apache-2.0
"""Writes the short synthetic recordings that ship beside the demo model.

python -m training.demo.samples --out DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import soundfile

from . import synthesis as syn
from .vocabulary import TEST_VOICES

# Chosen to cover every word, lengths of 1 to 12 words, and phrases a demo can show.
SENTENCES: list[str] = [
    "stop",
    "hello",
    "yes please",
    "play next",
    "zero one two three",
    "left right up down",
    "four five six seven eight nine",
    "louder",
    "pause play back next",
    "open close start stop",
    "no cancel",
    "on off on off quieter",
    "two seven zero five",
    "go up go down help",
    "hello repeat three four nine please",
    "one two three four five six seven eight nine zero yes stop",
]


def write_samples(out: Path, seed: int) -> dict[str, str]:
    """Write the FLAC files and expected.json, with voices training never used."""
    out.mkdir(parents=True, exist_ok=True)
    expected: dict[str, str] = {}
    for number, sentence in enumerate(SENTENCES, 1):
        words = sentence.split()
        rng = np.random.default_rng([seed, 3, number])
        voice = TEST_VOICES[number % len(TEST_VOICES)]
        accent = ["en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp"][number % 4]
        # The longest one is slow, so that the set reaches past eight seconds.
        speed = 110 if len(words) > 10 else int(rng.integers(130, 180))
        speaker = syn.Speaker(f"{accent}+{voice}", speed, 50, 3)
        wave = syn.speak(rng, words, speaker)
        if number % 3 == 0:
            wave = syn.add_noise(rng, wave, float(rng.uniform(12.0, 25.0)))
        wave = (wave / np.abs(wave).max() * 0.6).astype(np.float32)
        name = f"{number:02d}.flac"
        soundfile.write(out / name, wave, syn.RATE, subtype="PCM_16", format="FLAC")
        expected[name] = " ".join(words)
    text = json.dumps(expected, indent=2) + "\n"
    (out / "expected.json").write_text(text, encoding="utf-8")
    return expected


def main() -> None:
    """Read the command line and write the samples."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write_samples(args.out, args.seed)


if __name__ == "__main__":
    main()
