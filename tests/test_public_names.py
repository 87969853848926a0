"""What `safeasr` exports, and that all of it is explained."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import safeasr
from safeasr import AutoModel

PACKAGE = Path(safeasr.__file__).parent
#: Modules of the package are attributes of it as soon as somebody imports them.
ROOMS = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}


def test_all_names_what_is_exported() -> None:
    public = {
        name
        for name in dir(safeasr)
        if not name.startswith("_") and not isinstance(getattr(safeasr, name), ModuleType)
    }
    public -= {"annotations"}  # of `from __future__ import annotations`
    assert public | {"__version__"} == set(safeasr.__all__)
    assert sorted(safeasr.__all__) == safeasr.__all__
    assert not set(safeasr.__all__) & ROOMS


@pytest.mark.parametrize("name", [n for n in safeasr.__all__ if n != "__version__"])
def test_public_names_have_docstrings(name: str) -> None:
    thing = getattr(safeasr, name)
    assert thing.__doc__
    if inspect.isclass(thing):
        own = {m: f for m, f in vars(thing).items() if not m.startswith("_") and callable(f)}
        assert all(inspect.getdoc(method) for method in own.values()), own


def test_errors_are_all_exported() -> None:
    errors = importlib.import_module("safeasr.errors")
    classes = {
        name
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.SafeASRError)
    }
    assert classes <= set(safeasr.__all__)


def test_methods_of_a_model() -> None:
    """A public method that comes or goes is a change of the interface."""
    public = {name for name in dir(AutoModel) if not name.startswith("_")}
    assert public == {
        *("generate", "generate_iter", "submit", "agenerate", "stream", "stream_modes"),
        *("export", "stats", "close", "closed"),
        *("model", "vad_model", "punc_model", "spk_model", "vad_kwargs", "punc_kwargs"),
        *("spk_kwargs", "inference", "inference_with_vad", "build_model"),
    }


def test_rooms_take_nothing_from_the_package_itself() -> None:
    """That would lead around the floors that `make lint` checks."""
    for file in PACKAGE.rglob("*.py"):
        if file in (PACKAGE / "__init__.py", PACKAGE / "_extension.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "safeasr"), file
