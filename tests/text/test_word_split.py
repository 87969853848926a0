"""Words of texts: equal to FunASR's, with and without a dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from safeasr.text.word_split import characters_of_words, dictionary_cut, split_words
from support.punctuation import DICTIONARY, text_of

utils = pytest.importorskip("funasr.models.ct_transformer.utils")
jieba = pytest.importorskip("jieba")

TEXTS = [
    *(text_of(1 + seed % 60, seed, odd=0.25) for seed in range(400)),
    "", " ", "a", "今", "今天hello世界 it's 3.14元 don't好", "　全角　空格\u2003x\x1cy",
    "👩‍👩‍👧a👩",
    "的是Hello 的是 Hello", "ABC-def_1.5%+#&中文", "\x00今\x07", "ĀbcÀé",
]  # fmt: skip


def test_characters() -> None:
    for text in TEXTS:
        assert split_words(text) == utils.split_words(text)


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dictionary") / "words"
    path.write_text(DICTIONARY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cut(dictionary: Path) -> Any:
    return dictionary_cut(dictionary)


def test_a_dictionary(dictionary: Path, cut: Any) -> None:
    funasrs: Any = jieba.Tokenizer()
    funasrs.load_userdict(str(dictionary))
    longer = 0
    for text in TEXTS:
        words = split_words(text, cut)
        assert words == utils.split_words(text, jieba_usr_dict=funasrs)
        longer += sum(count > 1 for count in characters_of_words(words))
    assert longer > 500


def test_it_is_nobody_elses(cut: Any, tmp_path: Path) -> None:
    """Neither the process's own dictionary knows it, nor that of another model."""
    other = tmp_path / "other"
    other.write_text("气很好的 5000\n", encoding="utf-8")
    before = jieba.lcut("今天气很好的人我在", HMM=False)
    others = dictionary_cut(other)
    assert "人我在" in list(cut("今天气很好的人我在"))
    assert "人我在" not in list(others("今天气很好的人我在"))
    assert "气很好的" in list(others("今天气很好的人我在"))
    assert jieba.lcut("今天气很好的人我在", HMM=False) == before


def test_the_number_of_characters() -> None:
    words = ["今天", "hello", "好", "ไทย", "ｈｅｌｌｏ", "éa", "😀"]
    assert characters_of_words(words) == [2, 1, 1, 3, 1, 1, 1]
