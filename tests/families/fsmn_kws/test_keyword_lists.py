"""The option ``keywords``: whose it is, what it may be, and what becomes of lists and files."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from safeasr import AutoModel, ExportError, OptionError, UnsupportedModelError
from safeasr.families.keyword_lists import KeywordLists
from safeasr.text.keywords import KeywordTokens
from support.audio import speech
from support.hostile import HOSTILE
from support.keyword_oracle import KeywordOracle, spoken
from support.keywords import (
    SANM,
    SHAPES,
    TOKENS,
    TWO_HEADS,
    KeywordShape,
    write_keyword_dir,
)

pytest.importorskip("funasr", reason="funasr makes the models")

CLIP = speech(1.1, seed=3)
EVERY = ",".join(TOKENS[2:-1])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keyword_dir(tmp_path_factory.mktemp("keywords"))


@pytest.fixture
def model(directory: Path, make_model: Callable[..., AutoModel]) -> AutoModel:
    return make_model(directory)


def word(model: Any, **options: Any) -> str:
    return spoken(model.generate(CLIP, **options)[0]["text"])[0]


def test_keywords_stay_with_their_call(
    directory: Path, model: AutoModel, make_model: Callable[..., AutoModel]
) -> None:
    found = word(model, keywords=EVERY)
    assert found
    others = ",".join(one for one in TOKENS[2:-1] if one != found)
    assert word(model, keywords=others) != found
    # Those of config.yaml, of the constructor, of the call: the nearest counts.
    theirs = KeywordOracle(directory)(CLIP)
    assert theirs is not None
    assert word(model) == word(model, keywords=None) == spoken(theirs["text"])[0]
    assert word(make_model(directory, keywords=EVERY)) == found
    assert word(make_model(directory, keywords=others), keywords=EVERY) == found
    assert word(make_model(directory, keywords=EVERY.split(","))) == found


def test_a_key_and_a_list_of_inputs(model: AutoModel) -> None:
    results = model.generate([CLIP, np.zeros(8000, np.float32)], key=["a", "b"], keywords=EVERY)
    assert [one["key"] for one in results] == ["a", "b"]
    assert all(set(one) == {"key", "text"} for one in results)


@pytest.mark.parametrize("value", ["", " ", ",", ",,", [], [""], (" ", ",")])
def test_no_keywords(model: AutoModel, value: Any) -> None:
    with pytest.raises(OptionError, match="keywords: there are none to look for"):
        model.generate(CLIP, keywords=value)


def test_none_anywhere(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    directory = write_keyword_dir(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text("utf-8"))
    del config["keywords"]
    (directory / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    model = make_model(directory)
    with pytest.raises(OptionError, match="there are none to look for"):
        model.generate(CLIP)
    assert model.generate(CLIP, keywords="小")


def test_words_that_cannot_be(model: AutoModel) -> None:
    with pytest.raises(OptionError, match=r"keywords: '!!' has no token"):
        model.generate(CLIP, keywords="小,!!")
    with pytest.raises(OptionError, match="expected 100 at most"):
        model.generate(CLIP, keywords="小" * 101)
    with pytest.raises(OptionError, match="expected 10000 words at most, got 10001"):
        model.generate(CLIP, keywords=",".join(f"小{i}" for i in range(10001)))
    with pytest.warns(UserWarning, match="no token for 'x', 'y' of 'x小y', nor for all of 1 other"):
        model.generate(CLIP, keywords="x小y,云,z")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.generate(CLIP, keywords=EVERY)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values(model: AutoModel, name: str) -> None:
    value = HOSTILE[name]
    words = value if isinstance(value, (str, list, tuple)) else None
    good = isinstance(words, str) or (
        words is not None and all(isinstance(one, str) for one in words)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if good and words:
            assert model.generate(CLIP, keywords=value)
        else:
            with pytest.raises(OptionError, match="keywords"):
                model.generate(CLIP, keywords=value)


def test_lists_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = KeywordLists([KeywordTokens(TOKENS)])
    first = lists.get({"keywords": "小"})
    assert lists.get({"keywords": "小"}) is first
    assert lists.get({"keywords": "云"}) is not first
    monkeypatch.setattr("safeasr.families.kept._MOST_LISTS", 3)
    for number in range(10):
        lists.get({"keywords": "小" * (number + 2)})
    assert len(lists) == 3
    assert lists.get({"keywords": "小"}) is not first
    assert first[0].words == ("小",)  # who has it keeps it


def test_another_model_says_that_it_has_no_effect(model_dir: Path, model: AutoModel) -> None:
    with (
        pytest.warns(UserWarning, match="'keywords' has no effect"),
        AutoModel(str(model_dir), disable_pbar=True) as other,
    ):
        other.generate(CLIP, keywords="小")


@pytest.mark.parametrize("shape", [SHAPES[0], TWO_HEADS], ids=lambda shape: shape.name)
def test_output_dir(
    shape: KeywordShape, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """FunASR's own files, as FunASR writes them."""
    directory = write_keyword_dir(tmp_path / "model", shape)
    call = {"keywords": EVERY, "key": "one"}
    found = make_model(directory).generate(CLIP, output_dir=str(tmp_path / "ours"), **call)[0]
    KeywordOracle(directory).generate(CLIP, output_dir=str(tmp_path / "theirs"), **call)
    names = ["detect", "detect2"] if "text2" in found else ["detect"]
    assert sorted(one.name for one in (tmp_path / "ours").iterdir()) == names
    assert sorted(one.name for one in (tmp_path / "theirs").iterdir()) == names
    for name, field in zip(names, ("text", "text2"), strict=False):
        assert (tmp_path / "ours" / name).read_text("utf-8") == f"one {found[field]}\n"
        wanted = (tmp_path / "theirs" / name).read_text("utf-8").strip().partition(" ")[2]
        assert spoken(wanted)[0] == spoken(found[field])[0]


REFUSED: list[tuple[KeywordShape, dict[str, Any], type[Exception], str]] = [
    (SHAPES[0], {"encoder": "FSMNConvert"}, UnsupportedModelError, "encoder='FSMNConvert'"),
    (SHAPES[0], {"normalize": "x"}, UnsupportedModelError, "normalize"),
    (SHAPES[0], {"encoder_conf": {"input_dim": 40}}, ExportError, "input_dim must be 360"),
    (SHAPES[0], {"encoder_conf": {"lorder": 9}}, ExportError, "checkpoint"),
    (SHAPES[0], {"encoder_conf": {"rorder": 0}}, ExportError, "checkpoint"),
    (SHAPES[0], {"encoder_conf": {"lorder": 999, "lstride": 99}}, ExportError, "lorder must be"),
    (SHAPES[0], {"encoder_conf": {"lorder": 0}}, ExportError, "lorder must be"),
    (SHAPES[0], {"encoder_conf": {"dropout": 1}}, UnsupportedModelError, "encoder_conf.dropout"),
    (SHAPES[0], {"encoder_conf": {"output_dim": 9}}, ExportError, "checkpoint"),
    (SHAPES[0], {"ctc_conf": {"extra_linear": True}}, ExportError, "checkpoint lacks"),
    (SANM[0], {"ctc_conf": {"extra_linear": False}}, UnsupportedModelError, "extra_linear"),
    (SANM[0], {"encoder_conf": {"input_layer": "linear"}}, UnsupportedModelError, "input_layer"),
]


@pytest.mark.parametrize(("shape", "changes", "error", "match"), REFUSED)
def test_refused(
    shape: KeywordShape,
    changes: dict[str, Any],
    error: type[Exception],
    match: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=match):
        AutoModel(str(write_keyword_dir(tmp_path, shape)), **changes)


def test_files_of_two_heads(tmp_path: Path) -> None:
    directory = write_keyword_dir(tmp_path / "model", TWO_HEADS)
    path = directory / "configuration.json"
    whole = json.loads(path.read_text("utf-8"))
    for lists in ([], ["tokens.txt"], ["tokens.txt"] * 3):
        metas = {**whole["file_path_metas"], "token_lists": lists}
        path.write_text(json.dumps({"file_path_metas": metas}), "utf-8")
        with pytest.raises(ExportError, match="must name two files as token_lists"):
            AutoModel(str(directory))
    path.write_text(json.dumps(whole), "utf-8")
    (directory / "tokens2.txt").unlink()
    with pytest.raises(ExportError, match=r"tokens2\.txt"):
        AutoModel(str(directory))


def test_vocabularies(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """One with tokens that the network never says is another model's; fewer are fine."""
    directory = write_keyword_dir(tmp_path / "model")
    other = tmp_path / "other"
    shutil.copytree(directory, other)
    lines = (directory / "tokens.txt").read_text("utf-8")
    (other / "tokens.txt").write_text(lines + "more\n", "utf-8")
    with pytest.raises(ExportError, match="17 tokens, and the network gives scores of 16"):
        AutoModel(str(other))
    (other / "tokens.txt").write_text(lines + "小\n", "utf-8")
    with pytest.raises(ExportError, match="the token '小' stands at"):
        AutoModel(str(other))
    (other / "tokens.txt").write_text("\n".join(lines.splitlines()[:-1]) + "\n", "utf-8")
    assert word(make_model(other), keywords=EVERY) == word(make_model(directory), keywords=EVERY)
