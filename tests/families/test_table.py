"""The table of families: every line holds, nothing is imported early, strangers are named."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from safeasr import CorruptBundleError, UnsupportedModelError
from safeasr.bundles.bundle import Bundle
from safeasr.families import family_of_bundle, family_of_class, model_classes, register_family
from safeasr.families.table import _TABLE
from safeasr.nets.precision import PRECISIONS


@pytest.mark.parametrize("model_class", model_classes())
def test_every_line(model_class: str) -> None:
    family = family_of_class(model_class)
    module, _, _ = _TABLE[model_class].partition(":")
    assert module == f"safeasr.families.{family.name}.family", "a family is named as its folder"
    assert model_class in family.model_classes
    for other in family.model_classes:
        assert family_of_class(other) is family, "a class of the family has no line in the table"
    assert family.precisions[0] == "float32"
    assert set(family.precisions) <= set(PRECISIONS)
    for option in family.options.values():
        assert option.help and option.help.endswith("."), option.name
        assert option.default is None or option.kind.accepts(option.default), option.name


def test_the_lines_are_in_order() -> None:
    ours = [name for name, target in _TABLE.items() if target.startswith("safeasr.")]
    assert ours == sorted(ours)


def test_nothing_of_a_family_is_imported_before_it_is_needed(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    script = """
import sys
import safeasr
def loaded():
    names = [name.split(".") for name in sys.modules if name.startswith("safeasr.families.")]
    return sorted({name[2] for name in names if len(name) > 3})
assert loaded() == [], loaded()
safeasr.AutoModel("demo-vad", num_workers=1).close()
assert loaded() == ["fsmn_vad"], loaded()
"""
    done = run_python(script)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("model_class", "nearest"),
    [
        ("SenseVoice", "did you mean 'SenseVoiceSmall'"),
        ("paraformer", "did you mean 'Paraformer'"),
        (
            "Whisper",
            "supported: BiCifParaformer, CAMPPlus, ContextualParaformer, ERes2NetV2, "
            "FsmnVADStreaming, Paraformer",
        ),
    ],
)
def test_unsupported_classes(model_class: str, nearest: str) -> None:
    with pytest.raises(UnsupportedModelError, match=f"{model_class!r} is not supported.*{nearest}"):
        family_of_class(model_class)


def bundle(**facts: str) -> Bundle:
    one = Bundle(Path("there"), "paraformer", "Paraformer", {}, {}, [], {})
    return replace(one, **facts)  # type: ignore[arg-type]


def test_bundles_find_their_family() -> None:
    assert family_of_bundle(bundle()).name == "paraformer"
    for facts in ({"family": "nobody"}, {"model_class": "Nobody"}):
        with pytest.raises(CorruptBundleError, match=r"there is of a family .*does not know"):
            family_of_bundle(bundle(**facts))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that a test writes are gone afterwards."""
    monkeypatch.setattr("safeasr.families.table._TABLE", dict(_TABLE))


def test_families_are_registered_once(table: None) -> None:
    for _ in range(2):
        register_family("Brandnew", "a_module_of_mine:FAMILY")
    assert "Brandnew" in model_classes()
    with pytest.raises(ValueError, match="'Brandnew' has a family already: a_module_of_mine"):
        register_family("Brandnew", "another:FAMILY")
    with pytest.raises(ValueError, match="'Paraformer' has a family already"):
        register_family("Paraformer", "a_module_of_mine:FAMILY")


@pytest.mark.parametrize("target", ["", "a_module", "a_module:", ":FAMILY"])
def test_targets_name_a_module_and_an_object(table: None, target: str) -> None:
    with pytest.raises(ValueError, match="'module:object'"):
        register_family("Brandnew", target)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module_at_all:FAMILY", "cannot be imported from no_such_module_at_all"),
        ("safeasr.errors:FAMILY", "cannot be imported from safeasr.errors"),
        ("safeasr.errors:SafeASRError", "is not a Family that names 'Brandnew'"),
        ("safeasr.families.paraformer.family:FAMILY", "is not a Family that names 'Brandnew'"),
    ],
)
def test_lines_that_lead_nowhere(table: None, target: str, message: str) -> None:
    register_family("Brandnew", target)
    with pytest.raises(UnsupportedModelError, match=message):
        family_of_class("Brandnew")


def test_a_family_is_imported_from_its_line() -> None:
    module = importlib.import_module("safeasr.families.paraformer.family")
    assert family_of_class("Paraformer") is module.FAMILY
