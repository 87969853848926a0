# SPDX-License-Identifier: Apache-2.0
"""The words and the voices of the demo model, and how they are split."""

from __future__ import annotations

import subprocess

DIGITS: list[str] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
]
COMMANDS: list[str] = [
    "yes",
    "no",
    "up",
    "down",
    "left",
    "right",
    "go",
    "stop",
    "on",
    "off",
    "start",
    "pause",
    "play",
    "next",
    "back",
    "louder",
    "quieter",
    "open",
    "close",
    "hello",
    "help",
    "cancel",
    "repeat",
    "please",
]
WORDS: list[str] = DIGITS + COMMANDS
# The order FunASR's Paraformer expects: blank 0, start 1, end 2, unknown last.
TOKENS: list[str] = ["<blank>", "<s>", "</s>", *WORDS, "<unk>"]
WORD_ID: dict[str, int] = {word: TOKENS.index(word) for word in WORDS}

# British is "en": of "en-gb+linda" espeak-ng 1.51 drops the variant without a word.
ACCENTS: list[str] = [
    "en-us",
    "en",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
    "en-us-nyc",
]
# Voice variants that are kept out of the training data: for the test, and for
# choosing the best epoch. Numbered relatives of one voice stay on one side.
TEST_VOICES: list[str] = [
    "Alicia",
    "belinda",
    "boris",
    "david",
    "f2",
    "Hugo",
    "linda",
    "m5",
    "michel",
    "Mike",
    "paul",
    "victor",
]
DEV_VOICES: list[str] = ["f5", "grandma", "m2", "Marco", "robert", "shelby"]
# Whispers and robots are effects, not voices: hard to follow even for people.
_NOT_VOICES: set[str] = {"whisper", "whisperf", "UniRobot", "anikaRobot", "Demonic", "fast"}


def training_voices() -> list[str]:
    """List the installed espeak-ng voice variants that training may use."""
    listing = subprocess.run(
        ["espeak-ng", "--voices=variant"], check=True, capture_output=True, text=True
    ).stdout
    names = {line.split("!v/", 1)[1].split()[0] for line in listing.splitlines() if "!v/" in line}
    missing = [v for v in TEST_VOICES + DEV_VOICES if v not in names]
    if missing:
        # espeak-ng falls back to a default voice without a word, so check here.
        raise RuntimeError(f"espeak-ng lacks these voice variants: {missing}")
    held_out = {*TEST_VOICES, *DEV_VOICES, *_NOT_VOICES, "Mr"}
    return sorted(v for v in names - held_out if not v.startswith("robosoft"))


def voices_of(split: str) -> list[str]:
    """Voice variants of one split: "train", "dev" or "test"."""
    if split == "test":
        return TEST_VOICES
    return DEV_VOICES if split == "dev" else training_voices()
