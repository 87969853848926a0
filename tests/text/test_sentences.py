"""Sentences with times: as FunASR's functions make them, whatever the words, marks and times."""

from __future__ import annotations

import copy
import random
from types import SimpleNamespace
from typing import Any

import pytest

from safeasr.text import sentences
from safeasr.text.word_split import split_words

auto_model = pytest.importorskip("funasr.auto.auto_model", reason="funasr is the reference")

MARKS = ("<unk>", "_", "，", "。", "？", "、")
WORDS = ["你", "好", "天", "hello", "World", "ok", "3", "二", "a"]
CASES = range(300)


def punctuator() -> Any:
    return SimpleNamespace(punc_list=list(MARKS), jieba_usr_dict=None)


def drawn(seed: int) -> tuple[str, list[str], list[int], list[list[int]]]:
    """A text, its tokens, the numbers of their marks, and their times."""
    rng = random.Random(seed)
    words = [rng.choice(WORDS) for _ in range(rng.randint(1, 30))]
    text = " ".join(words) if rng.random() < 0.5 else "".join(f"{one} " for one in words)
    tokens = split_words(text)
    numbers = [rng.choice([1, 1, 1, 2, 3, 4, 5]) for _ in tokens]
    edges = sorted(rng.sample(range(100_000), 2 * len(tokens)))
    times = [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
    return text, tokens, numbers, times


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("english", [False, True])
def test_by_order(english: bool, raw: bool) -> None:
    from funasr.utils import timestamp_tools

    reference = (
        timestamp_tools.timestamp_sentence_en if english else timestamp_tools.timestamp_sentence
    )
    for seed in CASES:
        text, _, numbers, times = drawn(seed)
        if seed % 3 == 0:
            numbers[-1] = 3
        if seed % 5 == 0:
            text += " 你 more"  # of which there are no times
        elif seed % 7 == 0:
            text = " ".join(text.split()[:-1]) or text
        expected = reference(numbers, copy.deepcopy(times), text, return_raw_text=raw)
        got = sentences.sentences_by_order(text.split(), times, numbers, english=english, raw=raw)
        assert got == expected, text


@pytest.mark.parametrize("raw", [False, True])
def test_of_the_surface(raw: bool) -> None:
    for seed in CASES:
        text, tokens, numbers, times = drawn(seed)
        if seed % 11 == 0:
            text = text.replace("a", "x").replace("天", "地")  # not the tokens' any more
            tokens = split_words(text)
        expected = auto_model._timestamp_sentences_from_surface(
            text, times, numbers, punctuator(), return_raw_text=raw
        )
        got = sentences.sentences_of_surface(text, tokens, times, numbers, MARKS, raw=raw)
        assert got == expected
        whole = auto_model._punctuate_surface_text(text, numbers, punctuator())
        assert sentences.punctuate_surface(text, tokens, numbers, MARKS) == whole


def test_tokens_of_another_text() -> None:
    for text, tokens in (("ab c", ["ab"]), ("ab", ["ab", "c"]), ("xy", ["ab"]), ("", ["a"])):
        numbers, times = [3] * len(tokens), [[0, 1]] * len(tokens)
        assert auto_model._surface_token_spans(text, tokens) is None
        assert sentences.punctuate_surface(text, tokens, numbers, MARKS) is None
        assert (
            sentences.sentences_of_surface(text, tokens, times, numbers, MARKS, raw=False) is None
        )


def test_times_of_words_that_are_cut_elsewhere() -> None:
    for seed in CASES:
        rng = random.Random(seed)
        text, tokens, numbers, _ = drawn(seed)
        characters = "".join(text.split())
        cuts = sorted(rng.sample(range(1, len(characters)), rng.randint(0, len(characters) - 1)))
        words = [characters[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
        if seed % 4 == 0:
            words = [f"▁{one.upper()}" for one in words]
        if seed % 13 == 0:
            words[-1] += "zz"
        edges = sorted(rng.sample(range(100_000), 2 * len(words)))
        times = [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
        if seed % 17 == 0:
            times[0].reverse()
        expected = auto_model._merge_timestamp_units(text, words, times, numbers, punctuator())
        got = sentences.times_of_tokens(tokens, words, times)
        assert got == (None if expected is None else expected[1])


def test_texts_of_pieces() -> None:
    texts = [
        "<|zh|><|HAPPY|> 你 好 ",
        "",
        "天",
        "hello",
        " <|nospeech|>",
        "天 a",
        "b",
        "㐀",
        "好。",
    ]
    for seed in CASES:
        rng = random.Random(seed)
        some = [rng.choice(texts) for _ in range(rng.randint(0, 6))]
        assert sentences.join_texts(some) == auto_model._join_vad_texts(some)
        results = [{"text": one} for one in some]
        for i, one in enumerate(results):
            if rng.random() < 0.5:
                one["timestamp"] = [
                    [i * 100 + j, i * 100 + j + 1] for j in range(rng.randint(0, 3))
                ]
        segments = [[i * 100, i * 100 + 50] for i in range(len(some))]
        expected = auto_model._vad_segment_sentences(results, segments)
        assert sentences.sentences_of_pieces(results, segments) == expected
