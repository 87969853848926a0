"""Keywords as tokens: FunASR's, for lists of all kinds of words."""

from __future__ import annotations

import random

import pytest

from safeasr.text.keywords import KeywordTokens, split_keywords

TOKENS = ["<blank>", "sil", *"小云你好", "hello", "b", "'s", "don't", "<unk>", "OK", "a", " "]
LEXICON = {"hi": ["b", "a"], "筱": ["小"], "wow": [], "hello!": ["hello"]}
WORDS = [
    "",
    *("小云", "小云小云", "hello小云", "HELLO", "OK", "ok", "hi", "小hi云", "筱云", "wow小", "x"),
    *("小x", "<sil>", "(sil)小", "!sil", "<blank>", "<noise>", "(noise)小", "noise)", "hello!"),
    *(
        "小!",
        "don't",
        "b's",
        "小、云。",
        "【小】",
        "小\t云",
        "１２",
        "a小b",
        "<<",
        "小<blank>云",
        "",
    ),
]


def theirs(word: str, tokens: list[str], lexicon: dict[str, list[str]]) -> list[int]:
    pytest.importorskip("funasr", reason="funasr is the reference")
    from funasr.utils.kws_utils import query_token_set

    table = {token: i for i, token in enumerate(tokens)}
    pieces = {key: " ".join(value) for key, value in lexicon.items()}
    return list(query_token_set(word, table, pieces)[1])


@pytest.mark.parametrize("without", [(), ("<unk>",), ("sil",), ("<unk>", "sil"), (" ",)])
def test_tokens(without: tuple[str, ...]) -> None:
    tokens = [one for one in TOKENS if one not in without]
    mine = KeywordTokens(tokens, LEXICON)
    rng = random.Random(0)
    more = ["".join(rng.choices("小云你好hibaoxHELLO'!<>() 筱，", k=6)) for _ in range(300)]
    for word in (*WORDS, *more):
        assert mine.ids(word)[0] == theirs(word, tokens, LEXICON), word


def test_what_the_vocabulary_lacks() -> None:
    mine = KeywordTokens(TOKENS, LEXICON)
    assert mine.ids("小x云y")[1] == ["x", "y"]
    assert mine.ids("小云")[1] == mine.ids("<noise>")[1] == mine.ids("<sil>")[1] == []
    assert KeywordTokens(["小"]).ids("小x") == ([0], ["x"])  # not even a token for unknown sounds
    assert KeywordTokens(["小"]).ids("!!") == ([], [])


def test_split() -> None:
    assert split_keywords(" a b , c,,d ") == ("ab", "c", "d")
    assert split_keywords(["a,b", " c ", "", "a", ","]) == ("a", "b", "c")
    assert split_keywords(" , ,") == split_keywords([]) == ()
    assert split_keywords("a\tb,\n") == ("a\tb",)
