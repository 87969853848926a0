"""For code that one cannot edit: safeasr under the name of funasr."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from safeasr._version import __version__
from safeasr.auto_frontend import AutoFrontend
from safeasr.auto_model import AutoModel
from safeasr.utils import postprocess_utils

__all__ = ["install_as_funasr"]

#: What is replaced in FunASR's modules.
_CLASSES: dict[str, dict[str, Any]] = {
    "funasr.auto.auto_model": {"AutoModel": AutoModel},
    "funasr.auto.auto_frontend": {"AutoFrontend": AutoFrontend},
}
#: What stands in where FunASR is not installed.
_FUNCTIONS: dict[str, dict[str, Any]] = {
    "funasr.utils.postprocess_utils": {
        name: getattr(postprocess_utils, name) for name in postprocess_utils.__all__
    },
}


def install_as_funasr() -> None:
    """From now on ``from funasr import AutoModel`` gives safeasr's, in the whole process.

    So do ``import funasr`` and ``from funasr.auto.auto_model import AutoModel``. FunASR need not be
    installed; where it is, everything else in it stays its own, and importing it is faster, because
    FunASR's own ``__init__`` is not run. What was imported from it before stays as it is. Calling
    this twice does no harm.
    """
    package = _module("funasr", is_package=True)
    installed = package.__spec__ is not None and package.__spec__.origin is not None
    if "__version__" not in vars(package):
        version = importlib.metadata.version("funasr") if installed else __version__
        vars(package)["__version__"] = version
    vars(package).update(AutoModel=AutoModel, AutoFrontend=AutoFrontend)
    for name, contents in {**_CLASSES, **({} if installed else _FUNCTIONS)}.items():
        parent, _, child = name.rpartition(".")
        if installed:
            above = importlib.import_module(parent)
        else:
            above = _module(parent, is_package=True)
            setattr(package, parent.rpartition(".")[2], above)
        module = _module(name)
        vars(module).update(contents)
        setattr(above, child, module)


def _module(name: str, *, is_package: bool = False) -> ModuleType:
    """The module, if it was imported; otherwise one that runs none of FunASR's code yet."""
    if name in sys.modules:
        return sys.modules[name]
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    module = ModuleType(name, f"What safeasr has of {name}.")
    module.__spec__ = spec or ModuleSpec(name, None, is_package=is_package)
    if is_package:
        module.__path__ = list(module.__spec__.submodule_search_locations or ())
    elif spec is not None:
        vars(module)["__getattr__"] = _Theirs(spec)
    sys.modules[name] = module
    return module


class _Theirs:
    """What FunASR's module has beside what was replaced; it is run when that is asked for."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._spec = spec
        self._module: ModuleType | None = None

    def __call__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self._module is None:
            module = importlib.util.module_from_spec(self._spec)
            assert self._spec.loader is not None  # it is a file's
            self._spec.loader.exec_module(module)
            self._module = module
        return getattr(self._module, name)
