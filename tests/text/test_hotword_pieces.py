"""Hotwords in pieces, compared with FunASR."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from safeasr.text.hotword_pieces import HotwordPieces, parse_seg_dict

TOKENS = ["<blank>", "<s>", "</s>", "今", "天", "气", "好", "s@@", "pee@@", "ch", "5", "A", "<unk>"]
SEG_DICT = "今 今\n天 天\n气 气\n\n今天 今 天\nspeech s@@ pee@@ ch\n5 5\n空\nstrange 今 龘\n"
WORDS = [
    "今天", "天气", "今天气", "好", "天好", "speech", "SPEECH", "Speech天", "5", "55天", "A", "a",
    "今 天", "speech 今天  5", "空", "空 天", "strange", "１", "今，天", "龘", "qwerty",
    "天\u3000气",
]  # fmt: skip


@pytest.fixture(scope="module")
def theirs() -> Any:
    module = pytest.importorskip("funasr.models.seaco_paraformer.model")
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    tokenizer = CharTokenizer(token_list=TOKENS, unk_symbol="<unk>", split_with_space=True)
    make = module.SeacoParaformer.generate_hotwords_list

    def ids(lines: str, folder: Path) -> list[list[int]]:
        (folder / "words.txt").write_text(lines, encoding="utf-8")
        module.load_seg_dict.cache_clear()
        found = make(
            SimpleNamespace(sos=1),
            str(folder / "words.txt"),
            tokenizer=tokenizer,
            frontend=SimpleNamespace(cmvn_file=str(folder / "am.mvn")),
        )
        assert found[-1] == [1]
        return list(found[:-1])

    return ids


@pytest.mark.parametrize("split", [True, False])
def test_equals_funasr(theirs: Any, split: bool, tmp_path: Path) -> None:
    if split:
        # FunASR stumbles over a blank line.
        (tmp_path / "seg_dict").write_text(SEG_DICT.replace("\n\n", "\n"), encoding="utf-8")
    pieces = HotwordPieces(
        TOKENS, TOKENS.index("<unk>"), parse_seg_dict(SEG_DICT) if split else None
    )
    ours = [pieces.ids(word) for word in WORDS]
    assert ours == theirs("\n".join(WORDS), tmp_path)
    assert len({tuple(one) for one in ours}) > 4
    assert ours[WORDS.index("空")] == ([] if split else [12])
