# SPDX-License-Identifier: Apache-2.0
"""Writes a short synthetic conversation and what FunASR makes of it with the demo models.

python -m training.demo.conversation --models python/safeasr/models
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from . import synthesis as syn
from .evaluate import transcribe, transcribe_stream
from .vocabulary import TEST_VOICES

# Four people, with pauses that end a segment under FunASR's schedule too (2 s).
TURNS: list[tuple[str, int]] = [
    ("hello play next please", 150),
    ("one two three four five", 140),
    ("louder stop", 150),
    ("no go back seven nine zero", 145),
]
NAME = "conversation.flac"


def make_conversation(seed: int) -> syn.Wave:
    """Speak the turns with voices that training did not use, over light noise."""
    rng = np.random.default_rng([seed, 5])
    parts = [syn.silence(rng, 0.8, 1.0)]
    for number, (text, speed) in enumerate(TURNS):
        voice = TEST_VOICES[(3 * number + 1) % len(TEST_VOICES)]
        accent = ["en-us", "en-gb"][number % 2]
        speaker = syn.Speaker(f"{accent}+{voice}", speed, 50, 4)
        parts += [syn.fade(syn.say(text.split(), speaker)), syn.silence(rng, 2.4, 2.7)]
    wave = syn.add_noise(rng, np.concatenate([*parts[:-1], syn.silence(rng, 0.9, 1.1)]), 32.0)
    return (wave / np.abs(wave).max() * 0.6).astype(np.float32)


def answers(models: Path, wave: syn.Wave) -> dict[str, Any]:
    """Segments, streaming text and text of each segment, all by FunASR."""
    from funasr import AutoModel

    vad, streaming, offline = (
        AutoModel(
            model=str(models / name),
            device="cpu",
            disable_update=True,
            disable_pbar=True,
            log_level="ERROR",
            ncpu=1,
        )
        for name in ("demo-vad", "demo-streaming", "demo")
    )
    segments = vad.generate(input=wave, disable_pbar=True)[0]["value"]
    short = vad.generate(input=wave, max_end_silence_time=800, disable_pbar=True)[0]["value"]
    per_ms = syn.RATE // 1000
    return {
        "spoken": [text for text, _ in TURNS],
        "segments": segments,
        "segments_max_end_silence_time_800": short,
        "streaming_text": " ".join(transcribe_stream(streaming, wave)),
        "offline_text": [
            " ".join(transcribe(offline, wave[begin * per_ms : end * per_ms]))
            for begin, end in segments
        ],
    }


def main() -> None:
    """Write the recording and expected.json beside the streaming model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--models", type=Path, required=True, help="where the demo models are")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = args.models / "demo-streaming" / "audio"
    out.mkdir(parents=True, exist_ok=True)
    wave = make_conversation(args.seed)
    soundfile.write(out / NAME, wave, syn.RATE, subtype="PCM_16", format="FLAC")
    # The answers are to the file as anyone reads it.
    wave, _ = soundfile.read(out / NAME, dtype="float32")
    text = json.dumps({NAME: answers(args.models, wave)}, indent=2) + "\n"
    (out / "expected.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
