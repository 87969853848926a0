"""Texts of every kind for punctuation, and caches that go with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.judge import Refused, sane
from safeasr import AutoModel
from support.punctuation import LIVE_SHAPES, WHOLE_SHAPES, write_punc_dir

pytest.importorskip("funasr", reason="funasr makes the models")
pytest.importorskip("jieba")

_TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="今天hello 的\t　，。'😀\x00", max_size=200),
    st.text(alphabet=st.characters(), max_size=50),  # halves of surrogate pairs too
)
_CACHES = st.one_of(
    st.none(),
    st.just({}),
    st.dictionaries(st.sampled_from(["pre_text", "safeasr", "x"]), st.integers(), max_size=2),
    st.lists(st.text(max_size=5), max_size=30).map(lambda words: {"pre_text": words}),
)


@pytest.fixture(scope="module", params=[*WHOLE_SHAPES[:2], LIVE_SHAPES[0]], ids=["", "cut", "live"])
def punctuating(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AutoModel]:
    live = request.param in LIVE_SHAPES
    directory = write_punc_dir(tmp_path_factory.mktemp("punc"), request.param, live=live)
    with AutoModel(str(directory), num_workers=1, disable_pbar=True) as model:
        yield model


@pytest.mark.filterwarnings("ignore")
@given(text=_TEXTS, cache=_CACHES, size=st.sampled_from([None, 2, 5, 20, 10**6]))
def test_texts(punctuating: AutoModel, text: str, cache: dict[str, Any] | None, size: Any) -> None:
    """As many marks as words, and no character lost; or a typed error."""
    whole = "cache" not in punctuating._recognizer.options
    try:
        with sane():
            [result] = punctuating.generate(text, split_size=size, cache=cache, key="k")
    except Refused:
        return
    assert set(result) == {"key", "text", "punc_array"}
    if result["punc_array"] is None:
        assert not text.strip() and result["text"] == ""
    elif whole:
        words = punctuating._recognizer._main.words_of(text)
        assert len(result["punc_array"]) == len(words)
        assert len("".join(result["text"].split())) >= len("".join(words))
