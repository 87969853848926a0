"""Bundles and model directories in which something is changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fuzz.judge import Refused, sane
from fuzz.mutations import mutated
from safeasr import AutoModel
from support.audio import speech

WAVE = speech(0.8, seed=4)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from(
        [10**9, 2**63, -(2**40), 1e308, float("nan"), float("inf"), "../x", "/etc/passwd"]
    ),
    st.text(max_size=6),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@st.composite
def _changed(draw: st.DrawFn, document: Any) -> Any:
    """A JSON-like document with one entry left out, replaced, or added."""
    whole = json.loads(json.dumps(document))
    at, place = whole, []
    while isinstance(at, (dict, list)) and at and (not place or draw(st.integers(0, 3))):
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else list(range(len(at)))))
        place.append((at, key))
        at = at[key]
    if not place:
        return draw(_LEAVES)
    holder, key = place[-1]
    how = draw(st.sampled_from(["drop", "replace", "replace", "rename"]))
    if how == "drop":
        del holder[key]
    elif how == "rename" and isinstance(holder, dict):
        holder[draw(st.text(max_size=6))] = holder.pop(key)
    else:
        holder[key] = draw(_LEAVES)
    return whole


def load_and_ask(path: Path, **options: Any) -> Any:
    """What the model in this directory says, or None if it is refused."""
    try:
        with sane(), AutoModel(str(path), disable_pbar=True, num_workers=1, **options) as model:
            return model.generate(WAVE, key="k")
    except Refused:
        return None


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to be damaged."""
    path = tmp_path_factory.mktemp("bundle") / "b"
    with AutoModel("demo-vad", disable_pbar=True, num_workers=1) as model:
        model.export(path)
    return path


@pytest.fixture(scope="module")
def plain(bundle: Path) -> Any:
    """What it says before it is."""
    found = load_and_ask(bundle, trust_remote_code=True)
    assert found[0]["value"]
    return found


@given(data=st.data())
def test_damaged_bundles(bundle: Path, plain: Any, data: st.DataObject) -> None:
    """A damaged file is noticed, or the model answers as before."""
    path = data.draw(st.sampled_from(sorted(p for p in bundle.rglob("*") if p.is_file())))
    whole = path.read_bytes()
    try:
        if path.suffix == ".json" and data.draw(st.booleans()):
            path.write_text(json.dumps(data.draw(_changed(json.loads(whole)))))
        else:
            path.write_bytes(data.draw(mutated([whole], most=3)))
        assert load_and_ask(bundle, trust_remote_code=True) in (None, plain)
    finally:
        path.write_bytes(whole)


@given(data=st.data())
def test_damaged_model_directories(
    model_dir: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever a configuration says, the model is refused or answers."""
    folder = tmp_path_factory.mktemp("damaged") / "m"
    shutil.copytree(model_dir, folder)
    name = data.draw(st.sampled_from(sorted(p.name for p in folder.iterdir() if p.is_file())))
    path = folder / name
    whole = path.read_bytes()
    if path.suffix in (".yaml", ".json") and data.draw(st.booleans()):
        read, write = (
            (yaml.safe_load, yaml.safe_dump) if path.suffix == ".yaml" else (json.loads, json.dumps)
        )
        path.write_text(write(data.draw(_changed(read(whole)))))
    else:
        path.write_bytes(data.draw(mutated([whole], most=3)))
    try:
        load_and_ask(folder)
    finally:
        shutil.rmtree(folder.parent)
