"""An extension that does not fit is refused at import, with the command that builds it again."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from safeasr import ExtensionMismatchError, _build_info, _extension

DOCTORED = """
import sys
import importlib.abc, importlib.machinery
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name == "safeasr._build_info":
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module): module.TORCH_VERSION = "1.13.1+cu117"
sys.meta_path.insert(0, Finder())
try:
    from safeasr import AutoModel
except ImportError as error:
    print(type(error).__name__, error)
"""


def test_another_torch(run_python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = run_python(DOCTORED)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ExtensionMismatchError")
    for part in ("1.13.1+cu117", str(torch.__version__), "pip install --no-build-isolation"):
        assert part in done.stdout


def test_patch_releases_and_builds_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    major, minor, *_ = torch.__version__.split("+")[0].split(".")
    monkeypatch.setattr(_build_info, "TORCH_VERSION", f"{major}.{minor}.99+cpu")
    assert _extension.load_extension() is sys.modules["safeasr._ext"]
    # 2.1 is not 2.13.
    monkeypatch.setattr(_build_info, "TORCH_VERSION", f"{major}.{minor[:-1]}.0")
    with pytest.raises(ExtensionMismatchError):
        _extension.load_extension()


def test_not_built_or_not_loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safeasr._build_info", None)
    with pytest.raises(ExtensionMismatchError, match=r"is not built.*make build"):
        _extension.load_extension()
    monkeypatch.undo()

    def fail(name: str) -> SimpleNamespace:
        if name == "safeasr._build_info":
            return SimpleNamespace(TORCH_VERSION=torch.__version__)
        raise ImportError("undefined symbol: _ZN3c10")

    monkeypatch.setattr(_extension, "importlib", SimpleNamespace(import_module=fail))
    with pytest.raises(ExtensionMismatchError, match="undefined symbol: _ZN3c10") as caught:
        _extension.load_extension()
    assert _extension.REBUILD in str(caught.value)
    assert importlib.import_module("safeasr._ext")
