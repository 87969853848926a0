"""Tokens to text, compared with FunASR on thousands of random sequences."""

from __future__ import annotations

import copy
import random
from types import ModuleType

import numpy as np
import pytest

from safeasr.errors import CorruptBundleError
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess, tokens_to_text


@pytest.fixture(scope="session")
def oracle() -> ModuleType:
    """FunASR's own post-processing."""
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils import postprocess_utils

    return postprocess_utils


HAN = list("今天气很好的是不了人我在有他这中大来上国")
WORDS = ["hello", "world", "a", "I", "ok", "don't", "naïve", "Straße", "привет", "こんにちは", "ㄅ"]
PIECES = ["hel@@", "wor@@", "s@@", "中@@", "12@@", "@@", "@@ab", "x@@y@@"]
LETTERS = list("abcxyzABC")
DIGITS = ["1", "9", "0", "12", "3a", "2024", "９"]
ODD = [
    "<unk>",
    "<s>",
    "</s>",
    "<OOV>",
    "'",
    " ",
    "",
    "-",
    "，",
    "。",
    "@",
    "</s>a",
    " a",
    "中 ",
    "😀",
]
ODD += ["<blank>", "㐀", "龥", "\u9fff", "\u9fffx", "中文", "中a", "a中", "A-B", "\t"]

MIXES = [
    HAN,
    HAN + DIGITS,
    WORDS,
    LETTERS,
    LETTERS + WORDS,
    HAN + LETTERS,
    HAN + WORDS + PIECES,
    HAN + LETTERS + PIECES + DIGITS,
    HAN + WORDS + PIECES + LETTERS + DIGITS + ODD,
    [*LETTERS, "-", " "],
    [*LETTERS, *PIECES, "'"],
    ODD,
]


def random_tokens(rng: random.Random) -> list[str]:
    pool = rng.choice(MIXES)
    return [rng.choice(pool) for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 13, 30]))]


def random_times(rng: random.Random, count: int) -> list[list[int]]:
    times, now = [], 0
    for _ in range(count):
        start = now + rng.randrange(0, 50)
        now = start + rng.randrange(1, 400)
        times.append([start, now])
    return times


@pytest.mark.parametrize("seed", range(8))
def test_text_and_words_are_funasrs(oracle: ModuleType, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1500):
        tokens = random_tokens(rng)
        text, words = oracle.sentence_postprocess(list(tokens))
        ours = sentence_postprocess(tokens)
        assert (ours.text, ours.words) == (text, words), tokens
        assert ours.timestamps is None


@pytest.mark.parametrize("seed", range(100, 108))
def test_timestamps_are_funasrs(oracle: ModuleType, seed: int) -> None:
    rng = random.Random(seed)
    compared = 0
    for _ in range(1500):
        tokens = random_tokens(rng)
        # Also too many and too few times: FunASR's timestamp function may return either.
        times = random_times(rng, max(0, len(tokens) + rng.choice([0, 0, 0, 0, 2, -1, -3])))
        kept_tokens, kept_times = list(tokens), copy.deepcopy(times)
        ours = sentence_postprocess(tokens, times)
        assert (tokens, times) == (kept_tokens, kept_times), "an argument was changed"
        try:
            expected = oracle.sentence_postprocess(list(tokens), copy.deepcopy(times))
        except IndexError:
            # FunASR has no answer; ours keeps the words and never invents a time.
            assert ours.words == sentence_postprocess(tokens).words
            assert len(ours.timestamps or []) <= len(times)
            continue
        compared += 1
        assert (ours.text, ours.timestamps, ours.words) == expected, (tokens, times)
    assert compared > 1000


def test_bytes_and_arrays_are_read_like_str_and_lists(oracle: ModuleType) -> None:
    tokens = ["今", "天", "a", "b", "ok"]
    times = np.arange(10).reshape(5, 2).tolist()
    assert sentence_postprocess([token.encode() for token in tokens], times) == (
        sentence_postprocess(tokens, times)
    )
    assert tuple(sentence_postprocess(tokens, times)) == oracle.sentence_postprocess(tokens, times)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ([], ""),
        (["今", "天"], "今天"),
        (["hel@@", "lo", "world"], "hello world"),
        (["今", "hel@@", "lo", "天"], "今hello天"),
        (["c", "p", "u", "hot"], "CPU hot"),
        (["<unk>", "好", "</s>"], "好"),
    ],
)
def test_plain_examples(tokens: list[str], text: str) -> None:
    assert sentence_postprocess(tokens).text == text


def test_results_do_not_share_lists_with_arguments() -> None:
    times = [[0, 10], [10, 20]]
    made = sentence_postprocess(["今", "天"], times).timestamps
    assert made is not None
    made[0][0] = 99
    assert times == [[0, 10], [10, 20]]


def test_ids_to_tokens_drops_special_ids_and_checks_the_range() -> None:
    vocabulary = ["<blank>", "<s>", "</s>", "今", "天"]
    assert ids_to_tokens(np.array([1, 3, 0, 4, 2]), vocabulary) == ["今", "天"]
    assert ids_to_tokens([0, 3], vocabulary, skip_ids=()) == ["<blank>", "今"]
    for outside in (5, -1):
        with pytest.raises(CorruptBundleError, match=f"{outside} is outside the vocabulary of 5"):
            ids_to_tokens([outside], vocabulary)


def test_char_tokenizer_gives_the_same_text(oracle: ModuleType) -> None:
    from funasr.tokenizer.char_tokenizer import CharTokenizer

    vocabulary = ["<blank>", "<s>", "</s>", "今", "<space>", "hello", "<unk>"]
    tokenizer = CharTokenizer(token_list=vocabulary)
    rng = random.Random(5)
    for _ in range(200):
        ids = [rng.randrange(len(vocabulary)) for _ in range(rng.randrange(12))]
        tokens = ids_to_tokens(ids, vocabulary, skip_ids=())
        assert tokens == tokenizer.ids2tokens(ids)
        assert tokens_to_text(tokens) == tokenizer.tokens2text(tokens)
