# SPDX-License-Identifier: Apache-2.0
"""Writes a short synthetic dialogue and what FunASR makes of it with all four demo models.

python -m training.demo.dialogue --models python/safeasr/models
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from . import synthesis as syn

#: Two people whom no model was trained with: voice, accent, speed, pitch.
PEOPLE = [syn.Speaker("en-us+f2", 140, 50, 3), syn.Speaker("en+paul", 140, 50, 3)]
#: Who says what.
TURNS: list[tuple[int, str]] = [
    (0, "hello, help, please. open, close?"),
    (1, "yes, open three, please. left, right?"),
    (0, "go left, please. on, off?"),
    (1, "no, go back, please. louder, please."),
    (0, "one two three, four five six, seven eight."),
    (1, "repeat, please. start, stop?"),
    (0, "yes, start two, please. next, please."),
    (1, "nine eight seven, six five four."),
    (0, "no, cancel, please. up, down?"),
    (1, "yes, go up, please. stop, please."),
]
NAME = "dialogue.flac"


def make_dialogue(seed: int) -> syn.Wave:
    """Speak the turns, with pauses that end a segment, over light noise."""
    rng = np.random.default_rng([seed, 6])
    parts = [syn.silence(rng, 0.8, 1.0)]
    for who, text in TURNS:
        words = "".join(c for c in text if c not in ",.?").split()
        parts += [syn.fade(syn.say(words, PEOPLE[who])), syn.silence(rng, 2.4, 2.7)]
    wave = syn.add_noise(rng, np.concatenate(parts), 35.0)
    return (wave / np.abs(wave).max() * 0.6).astype(np.float32)


def answer(models: Path, wave: syn.Wave) -> dict[str, Any]:
    """Text and sentences, by FunASR."""
    from funasr import AutoModel

    roles = {"model": "demo", "vad_model": "demo-vad"}
    roles |= {"punc_model": "demo-punc", "spk_model": "demo-spk"}
    model = AutoModel(
        **{role: str(models / name) for role, name in roles.items()},
        device="cpu",
        disable_update=True,
        disable_pbar=True,
        log_level="ERROR",
        ncpu=1,
    )
    said = model.generate(input=wave, pred_timestamp=True, disable_pbar=True)[0]
    # Not when: up to 1.4.16 FunASR takes the times of this class from the wrong numbers.
    sentences = [{"spk": one["spk"], "text": one["text"]} for one in said["sentence_info"]]
    return {"text": said["text"], "sentence_info": sentences}


def main() -> None:
    """Write the recording and expected.json beside the speaker model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--models", type=Path, required=True, help="where the demo models are")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    out = args.models / "demo-spk" / "audio"
    out.mkdir(parents=True, exist_ok=True)
    soundfile.write(out / NAME, make_dialogue(args.seed), syn.RATE, subtype="PCM_16", format="FLAC")
    # The answers are to the file as anyone reads it.
    wave, _ = soundfile.read(out / NAME, dtype="float32")
    spoken = [{"spk": who, "text": text} for who, text in TURNS]
    content = {NAME: {"spoken": spoken, **answer(args.models, wave)}}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (out / "expected.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
