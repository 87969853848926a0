"""For code that one cannot edit: safeasr under the name of funasr."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from types import ModuleType
from typing import Any

from safeasr._version import __version__
from safeasr.auto_frontend import AutoFrontend
from safeasr.auto_model import AutoModel
from safeasr.utils import postprocess_utils

__all__ = ["install_as_funasr"]

#: What is replaced in FunASR's modules, installed or not.
_CLASSES: dict[str, dict[str, Any]] = {
    "funasr.auto": {},
    "funasr.auto.auto_model": {"AutoModel": AutoModel},
    "funasr.auto.auto_frontend": {"AutoFrontend": AutoFrontend},
}
#: What stands in where FunASR is not installed.
_FUNCTIONS: dict[str, dict[str, Any]] = {
    "funasr.utils": {},
    "funasr.utils.postprocess_utils": {
        name: getattr(postprocess_utils, name) for name in postprocess_utils.__all__
    },
}


def install_as_funasr() -> None:
    """From now on ``from funasr import AutoModel`` gives safeasr's, in the whole process.

    So do ``import funasr`` and ``from funasr.auto.auto_model import AutoModel``. FunASR need not be
    installed; where it is, its other modules stay its own, and importing them is faster, because
    FunASR itself is not begun. What was imported from it before stays as it is. Calling this twice
    does no harm.
    """
    package = sys.modules.get("funasr") or _package()
    modules = dict(_CLASSES)
    if package.__spec__ is None:
        modules |= _FUNCTIONS
    vars(package).update(AutoModel=AutoModel, AutoFrontend=AutoFrontend)
    for name, contents in modules.items():
        module = sys.modules.get(name) or _module(name)
        vars(module).update(contents)
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, module)


def _package() -> ModuleType:
    """A package that finds FunASR's modules, if there are any, without running FunASR's own."""
    try:
        spec = importlib.util.find_spec("funasr")
    except (ImportError, ValueError):
        spec = None
    package = ModuleType("funasr", "safeasr under the name of funasr.")
    package.__spec__ = spec
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    try:
        version = importlib.metadata.version("funasr")
    except importlib.metadata.PackageNotFoundError:
        version = __version__
    vars(package)["__version__"] = version
    sys.modules["funasr"] = package
    return package


def _module(name: str) -> ModuleType:
    module = ModuleType(name, f"What safeasr has of {name}.")
    if name in ("funasr.auto", "funasr.utils"):
        parent = sys.modules["funasr"].__path__
        module.__path__ = [f"{path}/{name.rpartition('.')[2]}" for path in parent]
    sys.modules[name] = module
    return module
