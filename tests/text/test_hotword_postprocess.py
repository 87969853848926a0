"""Correction of hotwords in text, compared with FunASR."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from safeasr.text.hotwords import (
    HotwordCorrector,
    apply_postprocess_hotwords,
    build_hotword_corrector,
)
from safeasr.text.pinyin import similarity


@pytest.fixture(scope="session")
def oracle() -> ModuleType:
    """FunASR's own correction."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import postprocess_hotwords

    return postprocess_hotwords


@pytest.fixture
def pinyin() -> None:
    pytest.importorskip("pypinyin", reason="matching by sound needs pypinyin")


def both(oracle: ModuleType, results: list[Any], **options: Any) -> tuple[Any, Any]:
    """FunASR's and our results; FunASR works in place, ours must not."""
    theirs = oracle.apply_postprocess_hotwords_to_results(copy.deepcopy(results), options)
    before = copy.deepcopy(results)
    ours = apply_postprocess_hotwords(results, **options)
    assert results == before
    return theirs, ours


TARGETS = ["科大讯飞", "讯飞", "撒贝宁", "东方财富", "阿里巴巴", "康辉", "飞", "AI助手", "爱心"]
SOUNDS = [
    *"科可大达讯迅飞非撒萨贝被宁你东方财才富阿里理爸巴康灰辉助手祝爱唉心新的是，。 ",
    *("hello", "AI", "2024", "科大讯飞", "科大迅飞", "撒贝你"),
]


@pytest.mark.usefixtures("pinyin")
@pytest.mark.parametrize("seed", range(4))
def test_matching_by_sound_is_funasrs(oracle: ModuleType, seed: int) -> None:
    pytest.importorskip("rapidfuzz", reason="FunASR's matching needs rapidfuzz")
    rng = random.Random(seed)
    changed = 0
    for _ in range(100):
        words = rng.sample(TARGETS, rng.randrange(1, 5)) + rng.choice([[], ["撒贝你=>撒贝宁"]])
        text = "".join(rng.choice(SOUNDS) for _ in range(rng.randrange(0, 25)))
        results = [
            {
                "key": "k",
                "text": text,
                "timestamp": [[0, 10]],
                "sentence_info": [{"text": text[:7], "sentence": text[7:], "start": 0}],
            }
        ]
        theirs, ours = both(
            oracle,
            results,
            postprocess_hotwords=words,
            postprocess_hotword_threshold=rng.choice([0.6, 0.75, 0.85, 0.95]),
            return_postprocess_hotword_matches=True,
        )
        assert ours == theirs
        changed += ours[0]["text"] != text
    assert changed > 20


@pytest.mark.parametrize("seed", range(4))
def test_replacement_tables_are_funasrs(oracle: ModuleType, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        lines = [
            "".join(rng.choice("ab中文#=>- ") for _ in range(rng.randrange(0, 9)))
            + rng.choice(["", "=>", "->", "→"])
            + "".join(rng.choice("ab中文 ") for _ in range(rng.randrange(0, 4)))
            for _ in range(rng.randrange(0, 6))
        ]
        text = "".join(rng.choice("ab中文 ") for _ in range(rng.randrange(0, 30)))
        file = tmp_path / "words.txt"
        file.write_text("\n".join(rng.sample(lines, len(lines))), encoding="utf-8")
        words: Any = rng.choice(
            [
                lines,
                "\n".join(lines),
                tuple(lines),
                dict(zip(lines, reversed(lines), strict=True)),
                None,
            ]
        )
        theirs, ours = both(
            oracle,
            [{"text": text}, {"text": ""}, {"value": [1]}, {"text": None}],
            postprocess_hotwords=words,
            postprocess_hotword_file=rng.choice([None, str(file)]),
            postprocess_hotword_fuzzy=False,
            return_postprocess_hotword_matches=rng.choice([True, False]),
        )
        assert ours == theirs, (words, text)


def test_similarity_is_rapidfuzzs_ratio() -> None:
    fuzz = pytest.importorskip("rapidfuzz.fuzz", reason="rapidfuzz is the reference")
    rng = random.Random(2)
    for _ in range(5000):
        left = "".join(rng.choice("abcde") for _ in range(rng.randrange(0, 90)))
        right = "".join(rng.choice("abcdef") for _ in range(rng.randrange(0, 40)))
        assert similarity(left, right) == fuzz.ratio(left, right) / 100.0


@pytest.mark.usefixtures("pinyin")
def test_words_without_pinyin_match_nothing_by_sound() -> None:
    """FunASR 1.4.16 turns all Latin text into the target: two empty strings are alike."""
    corrector = build_hotword_corrector(["OpenAI", "2024"])
    assert corrector is not None
    text = "please call open ai in 2023"
    assert corrector.apply_text(text) == (text, [])
    corrector = build_hotword_corrector(["open ai=>OpenAI"])
    assert corrector is not None
    assert corrector.apply_text(text)[0] == "please call OpenAI in 2023"


def test_options_are_checked(oracle: ModuleType, tmp_path: Path) -> None:
    assert build_hotword_corrector() is None
    assert build_hotword_corrector("# comment\n\n") is None
    with pytest.raises(ValueError, match=r"between 0\.0 and 1\.0"):
        build_hotword_corrector({"a": "b"}, postprocess_hotword_threshold=1.5)
    with pytest.raises(TypeError, match="not int"):
        build_hotword_corrector(5)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        build_hotword_corrector(postprocess_hotword_file=tmp_path / "none.txt")
    results = [{"text": "same"}]
    assert apply_postprocess_hotwords(results) == results


def test_missing_pypinyin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pypinyin", None)
    with pytest.raises(ImportError, match="pip install pypinyin"):
        HotwordCorrector(targets=["科大讯飞"])
    assert HotwordCorrector(targets=["科大讯飞"], fuzzy=False).apply_text("科大") == ("科大", [])
