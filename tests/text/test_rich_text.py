"""``rich_transcription_postprocess`` against FunASR's, on texts of all kinds."""

from __future__ import annotations

import random

import pytest

import safeasr
from safeasr import rich_transcription_postprocess

TAGS = (
    "zh en yue ja ko nospeech HAPPY SAD ANGRY NEUTRAL FEARFUL DISGUSTED SURPRISED EMO_UNKNOWN BGM "
    "Speech Applause Laughter Cry Sneeze Breath Cough Sing Speech_Noise GBG Event_UNK withitn "
    "woitn lang unknown"
).split()
WORDS = ["好", "hello", "The.", " ", "  ", "\t", "<|", "|>", "。"]
SIGNS = list("😊😔😡😰🤢😮🎼👏😀😭🤧😷❓")
EXAMPLES = {
    "<|zh|><|NEUTRAL|><|Speech|><|woitn|>今天天气很好": "今天天气很好",
    "<|en|><|HAPPY|><|BGM|><|withitn|>Hello there.": "🎼Hello there.😊",
    "<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>": "",
    "<|nospeech|><|Event_UNK|>": "❓",
    "<|zh|><|SAD|><|Laughter|><|withitn|>一 <|zh|><|SAD|><|Laughter|><|withitn|>二": "😀一二😔",
    "": "",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text: str) -> None:
    assert rich_transcription_postprocess(text) == EXAMPLES[text]


def random_text(rng: random.Random) -> str:
    parts = [
        *(f"<|{rng.choice(TAGS)}|>" for _ in range(rng.randrange(12))),
        *rng.choices(WORDS, k=rng.randrange(8)),
        *rng.choices(SIGNS, k=rng.randrange(4)),
    ]
    rng.shuffle(parts)
    text = "".join(parts)
    if rng.random() < 0.3:  # a tag in the middle of another one
        at = rng.randrange(len(text) + 1)
        text = f"{text[:at]}<|{rng.choice(TAGS)}|>{text[at:]}"
    return text


def test_equal_to_funasr() -> None:
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils.postprocess_utils import rich_transcription_postprocess as theirs

    rng = random.Random(0)
    texts = [*EXAMPLES, *(random_text(rng) for _ in range(20000))]
    assert len({theirs(text) for text in texts}) > 10000
    wrong = [t for t in texts if rich_transcription_postprocess(t) != theirs(t)]
    assert not wrong, f"{len(wrong)} differ, first {wrong[0]!r}"


def test_it_is_part_of_the_package() -> None:
    assert "rich_transcription_postprocess" in safeasr.__all__
