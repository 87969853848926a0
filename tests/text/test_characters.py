"""Texts are taken apart as FunASR's CharTokenizer does it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from safeasr.text.characters import CharacterTokens
from safeasr.text.hotword_pieces import parse_seg_dict
from support.models import ENGLISH, VOCABULARY
from support.seaco import SEG_DICT

pytest.importorskip("funasr", reason="funasr is the reference")

ODD = [
    " ",
    "  ",
    "\t",
    "\n",
    "\u3000",
    "🙂",
    "</s>",
    "<unk>",
    "ΑΣ",
    "İ",
    "２",
    "é",
    "Hello",
    "ABC",
    "x1",
    "2天",
]


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("unknown", ["<unk>", "hello"])
def test_texts_as_funasr(split: bool, unknown: str, tmp_path: Path) -> None:
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    path = tmp_path / "seg_dict"
    path.write_text(SEG_DICT, encoding="utf-8")
    theirs = CharTokenizer(
        token_list=VOCABULARY, unk_symbol=unknown, seg_dict=str(path) if split else None
    )
    pieces = parse_seg_dict(SEG_DICT) if split else None
    ours = CharacterTokens(VOCABULARY, VOCABULARY.index(unknown), pieces)
    rng = random.Random(0)
    units = [*VOCABULARY, *ENGLISH, *ODD]
    seen = set()
    for _ in range(500):
        words = rng.choices(units, k=rng.randrange(0, 12))
        text = "".join(word + rng.choice(["", " "]) for word in words)
        expected = theirs.ids2tokens(theirs.encode(text))
        assert ours.of(text) == expected, text
        seen.update(expected)
    assert len(seen) > 30
