"""CTTransformer: what is no text, what is too much, what is cut short, what cannot be loaded."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from safeasr import (
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
    ExportError,
    InputError,
    UnsupportedModelError,
)
from support.audio import speech
from support.cases import plain
from support.punctuation import WHOLE_SHAPES, text_of, write_punc_dir

pytest.importorskip("funasr", reason="funasr makes the models")

Make = Callable[..., AutoModel]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_punc_dir(tmp_path_factory.mktemp("usual"), WHOLE_SHAPES[0])


@pytest.fixture
def model(usual: Path, make_model: Make) -> AutoModel:
    return make_model(usual, num_workers=2)


def nothing_goes_on(model: AutoModel) -> None:
    """Whoever was at its steps just then ends them."""
    deadline = time.monotonic() + 30
    while model._recordings._active and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not model._recordings._active


def test_audio_is_refused(model: AutoModel, tmp_path: Path) -> None:
    wave = speech(0.5, seed=1)
    for given, came in ((wave, "ndarray"), (b"RIFF", "bytes"), ([wave], "ndarray"), (7, "int")):
        with pytest.raises(InputError, match=f"expected text .*got {came}"):
            model.generate(given)
    with pytest.raises(InputError, match=r"expected text, got data_type='sound'.*for punct"):
        model.generate(wave, data_type="sound")
    with pytest.raises(UnsupportedModelError, match=r"stream\(\) is for audio.*takes text"):
        model.stream()
    assert model.stats()["submitted"] == 0


def test_errors_in_their_places(model: AutoModel) -> None:
    wrong = "今天\ud83d"
    found = model.generate(["今天", 7, wrong, "好的"], key=list("abcd"), on_error="return")
    assert [one["key"] for one in found] == list("abcd")
    assert ["error" in one for one in found] == [False, True, True, False]
    assert all(type(one["error"]) is InputError for one in found[1:3])
    assert plain(found[3]) == plain(model.generate("好的", key="d")[0])
    with pytest.raises(InputError, match="data_type='sound'"):  # the call itself is wrong
        model.generate(["今天"], data_type="sound", on_error="return")


def test_text_is_refused_where_audio_belongs() -> None:
    expected = r"expected samples or features, got data_type='text'.*speech recognition"
    with AutoModel("demo", num_workers=1) as model, pytest.raises(InputError, match=expected):
        model.generate("hello", data_type="text")


def test_roles(usual: Path, model_dir: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"is not a voice activity detector.*punc"):
        AutoModel(str(model_dir), vad_model=str(usual))
    with pytest.raises(UnsupportedModelError, match=r"goes with an offline recogniser.*\(punc\)"):
        AutoModel(str(usual), vad_model="demo-vad")


@pytest.mark.parametrize("value", [1, 0, -3, 2.5, "20", True, [20]])
def test_sizes_that_make_no_sense(model: AutoModel, value: Any) -> None:
    with pytest.raises(ValueError, match="split_size must be a whole number of at least 2"):
        model.generate("今天", split_size=value)


@pytest.mark.parametrize(
    "text",
    ["，", "。。。？", "!?...", "😀" * 30, "\x00\x01\x7f", "\u200b", "ＡＢＣ１２ abc", "_ _"],
)
def test_odd_texts_are_answered(model: AutoModel, text: str) -> None:
    [result] = model.generate(text)
    words = model._recognizer._main.words_of(text)
    assert len(result["punc_array"]) == len(words)
    bare = "".join(result["text"].split()).casefold()
    assert all(word.casefold() in bare for word in words if not word.isspace())


def test_a_megabyte(model: AutoModel) -> None:
    """Of one word, and of many that are read at once; many requests end with their time limit."""
    [one] = model.generate("x" * 1_000_000)
    assert len(one["text"]) >= 1_000_000 and len(one["punc_array"]) == 1
    many = text_of(1000, 3) * 200
    assert len(many.encode()) > 700_000
    before = model.stats()["completed"]
    with pytest.raises(DeadlineExceededError):
        model.generate(many, timeout=0.3)
    nothing_goes_on(model)
    assert model.stats()["completed"] - before < len(many) / 30
    assert model.generate("今天")[0]["text"]


def test_a_cancel_between_pieces(model: AutoModel) -> None:
    many = text_of(1000, 3) * 50
    future = model.submit(many)
    while model.stats()["completed"] < 3:
        time.sleep(0.001)
    assert not future.done() and future.running()
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(30)
    nothing_goes_on(model)


def test_a_close_drains_or_ends(usual: Path) -> None:
    text = text_of(400, 4)
    with AutoModel(str(usual), num_workers=1) as other:
        expected = plain(other.generate(text, key="k"))
    draining = AutoModel(str(usual), num_workers=1)
    future = draining.submit(text, key="k")
    draining.close(drain=True)
    assert plain(future.result(0)) == expected
    ending = AutoModel(str(usual), num_workers=1)
    long = ending.submit(text_of(1000, 3) * 50)
    ending.close(drain=False)
    with pytest.raises(EngineClosedError):
        long.result(30)
    with pytest.raises(EngineClosedError):
        ending.generate("今天")


def test_the_queue_bounds_texts_that_are_under_way(usual: Path, make_model: Make) -> None:
    from safeasr import QueueFullError

    model = make_model(usual, queue_size=2)
    long = text_of(1000, 3) * 50
    futures = [model.submit(long) for _ in range(2)]
    with pytest.raises(QueueFullError, match="are under way"):
        model.submit("今天", timeout=0)
    for one in futures:
        one.cancel()
    assert model.generate("今天")


def test_a_failed_network_is_a_typed_error(model: AutoModel) -> None:
    """An id that the network has not; nobody else's text fails."""
    from safeasr import InferenceError
    from safeasr.families.terms import Terms

    pieces = model._recognizer._main._pieces
    bad = pieces.read(model._engine, np.array([10**6]), Terms())
    good = threading.Thread(target=lambda: model.generate(text_of(200, 1)))
    good.start()
    ticket = next(bad)
    assert ticket.wait(60)
    with pytest.raises(InferenceError):
        ticket.get()
    good.join()


# --- export ---------------------------------------------------------------------------------------


@pytest.fixture
def changed(usual: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies the model with other keys of config.yaml."""

    def make(**sections: Any) -> Path:
        config = yaml.safe_load((usual / "config.yaml").read_text("utf-8"))
        for name, value in sections.items():
            if isinstance(value, dict):
                config[name] = {**config[name], **value}
            else:
                config[name] = value
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        for name in ("tokens.json", "model.pt"):
            (tmp_path / name).write_bytes((usual / name).read_bytes())
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        ({"encoder": "TransformerEncoder"}, UnsupportedModelError, "encoder='TransformerEncoder'"),
        ({"encoder_conf": {"input_layer": "conv2d"}}, UnsupportedModelError, "input_layer"),
        ({"encoder_conf": {"input_size": 64}}, ExportError, "input_size must be 32, as"),
        ({"encoder_conf": {"num_blocks": 3}}, ExportError, "lacks .* parameters"),
        ({"encoder_conf": {"num_blocks": 1}}, ExportError, "parameters have no place"),
        ({"encoder_conf": {"attention_heads": 3}}, ExportError, "heads must be a divisor"),
        ({"model_conf": {"embed_unit": "32"}}, ExportError, r"model_conf\.embed_unit must be"),
        ({"tokenizer": "SentencepiecesTokenizer"}, UnsupportedModelError, "tokenizer="),
        ({"tokenizer_conf": {"unk_symbol": "<none>"}}, ExportError, "has no '<none>'"),
        ({"tokenizer_conf": {"seg_dict": "x"}}, UnsupportedModelError, "seg_dict='x'"),
        ({"model_conf": {"punc_list": []}}, ExportError, "punc_list must be"),
        ({"model_conf": {"punc_list": ["_", 3]}}, ExportError, "punc_list must be"),
        ({"model_conf": {"sentence_end_id": 6}}, ExportError, "from 0 to 5, got 6"),
        ({"model_conf": {"punc_list": ["_", "。"], "sentence_end_id": 1}}, ExportError, "fit"),
    ],
)  # fmt: skip
def test_models_that_are_none(
    changed: Callable[..., Path], sections: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        AutoModel(str(changed(**sections)), num_workers=1)


def test_damaged_files(changed: Callable[..., Path]) -> None:
    directory = changed()
    (directory / "jieba_usr_dict").write_bytes("今天 5\n".encode("gbk"))
    with pytest.raises(ExportError, match=r"jieba_usr_dict is not dictionary in UTF-8"):
        AutoModel(str(directory), num_workers=1)
    (directory / "jieba_usr_dict").unlink()
    (directory / "tokens.json").write_text(json.dumps(["a", "a", "<unk>"]))
    with pytest.raises(ExportError, match="token 'a' stands at 0 and at 1"):
        AutoModel(str(directory), num_workers=1)


def test_without_jieba(changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only models with a dictionary need it."""
    monkeypatch.setitem(sys.modules, "jieba", None)
    directory = changed()
    with AutoModel(str(directory), num_workers=1) as model:
        assert model.generate("今天")[0]["text"]
    (directory / "jieba_usr_dict").write_text("今天 5\n", encoding="utf-8")
    with pytest.raises(UnsupportedModelError, match=r"needs jieba: pip install 'safeasr\[punc\]'"):
        AutoModel(str(directory), num_workers=1)


def test_a_dictionary_makes_another_bundle(changed: Callable[..., Path], make_model: Make) -> None:
    pytest.importorskip("jieba")
    directory = changed()
    text = "今天很好"
    numbers = [make_model(directory).generate(text)[0]["punc_array"]]
    (directory / "jieba_usr_dict").write_text("今天很好 99999\n", encoding="utf-8")
    numbers.append(make_model(directory).generate(text)[0]["punc_array"])
    assert numbers[1].tolist()[:3] == [1, 1, 1], "no mark within a word"
    assert torch.is_tensor(numbers[0]) and len(numbers[0]) == 4
