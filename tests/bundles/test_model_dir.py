"""What a model directory holds, by name: where it is looked for, and what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from safeasr import ExportError
from safeasr.bundles.cache import content_key
from safeasr.bundles.model_dir import ModelDir, read_model_dir


def write(
    path: Path, *files: str, config: dict[str, Any] | None = None, metas: Any = None
) -> ModelDir:
    """A directory with these files, each with its own name inside."""
    path.mkdir(exist_ok=True)
    (path / "config.yaml").write_text(yaml.safe_dump({"model": "Any", **(config or {})}))
    if metas is not None:
        (path / "configuration.json").write_text(json.dumps({"file_path_metas": metas}))
    for name in files:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(name)
    return read_model_dir(path)


def test_where_a_file_is_looked_for(tmp_path: Path) -> None:
    model = write(
        tmp_path, "a", "b", "c", "seg_dict",
        metas={"tokenizer_conf": {"seg_dict_file": "a", "gone": "nowhere"}},
        config={"tokenizer_conf": {"seg_dict_file": "b", "gone": "b", "other": "c", "none": None}},
    )  # fmt: skip
    assert model.file("seg_dict_file", "seg_dict") == tmp_path / "a", "configuration.json first"
    assert model.file("gone", "seg_dict") == tmp_path / "b", "then config.yaml"
    assert model.file("other") == tmp_path / "c"
    assert model.file("none", "nowhere", "seg_dict") == tmp_path / "seg_dict", "then usual names"
    assert model.file("seg_dict") == tmp_path / "seg_dict", "a key may be a name"
    assert model.find("jieba_usr_dict") is None
    assert model.find("x" * 5000) is None


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    model = write(tmp_path)
    with pytest.raises(ExportError, match=r"has no seg_dict: .* there is no seg_dict"):
        model.file("seg_dict")
    with pytest.raises(ExportError, match=r"has no word list: .* there is no a\.txt or b\.txt"):
        model.file("words", "a.txt", "b.txt", what="word list")


@pytest.mark.parametrize(
    ("files", "metas", "expected"),
    [
        (["model.pt"], None, "model.pt"),
        (["model.pt", "campplus.bin"], {"init_param": "campplus.bin"}, "campplus.bin"),
        (["model.pt"], {"init_param": "gone.bin"}, "model.pt"),
    ],
)
def test_the_checkpoints_name_is_configurations(
    tmp_path: Path, files: list[str], metas: Any, expected: str
) -> None:
    assert write(tmp_path, *files, metas=metas).checkpoint == tmp_path / expected


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no checkpoint: model\.pt is missing"):
        _ = write(tmp_path / "a").checkpoint
    with pytest.raises(ExportError, match=r"campplus\.bin and model\.pt are missing"):
        _ = write(tmp_path / "b", metas={"init_param": "campplus.bin"}).checkpoint


def test_the_callers_checkpoint_goes_first(tmp_path: Path) -> None:
    write(tmp_path / "model", "model.pt", "epoch5.pt", metas={"init_param": "model.pt"})
    (tmp_path / "mine.pt").write_text("mine")
    mine = str(tmp_path / "mine.pt")
    assert read_model_dir(tmp_path / "model", {"init_param": mine}).checkpoint == Path(mine)
    inside = read_model_dir(tmp_path / "model", {"init_param": "epoch5.pt"})
    assert inside.checkpoint == tmp_path / "model" / "epoch5.pt"
    with pytest.raises(ExportError, match=r"init_param='.*nowhere\.pt' is not a file"):
        read_model_dir(tmp_path / "model", {"init_param": str(tmp_path / "nowhere.pt")})


@pytest.mark.parametrize("metas", ["a string", ["a", "list"], 3])
def test_metas_that_are_none(tmp_path: Path, metas: Any) -> None:
    assert write(tmp_path, "model.pt", metas=metas).checkpoint == tmp_path / "model.pt"


def test_a_bundle_is_made_anew_when_a_file_changes_that_it_was_made_from(tmp_path: Path) -> None:
    metas = {"tokenizer_conf": {"token_list": "words.json"}, "extra": {"dict": "named"}}
    files = ["model.pt", "words.json", "named", "seg_dict", "README.md"]
    model = write(tmp_path / "model", *files, metas=metas)

    def key() -> str:
        return content_key(model, tmp_path / "cache", files=("seg_dict", "not_there"))

    for name in files:
        before = key()
        (model.path / name).write_text("something else")
        assert (key() == before) == (name == "README.md"), name
    assert content_key(model, tmp_path / "cache") != key()
