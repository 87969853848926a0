"""The C++ extension, or a clear word why it cannot be loaded.

Every module takes it from here, so it is checked and loaded before anything uses it, and nothing
depends on the order of the imports in the package's ``__init__``.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch  # loads libtorch, which the extension is linked to

from safeasr.errors import ExtensionMismatchError

__all__ = ["_ext", "load_extension"]

REBUILD = "pip install --no-build-isolation --no-deps --force-reinstall safeasr"


def _release(version: str) -> str:
    return ".".join(version.split("+")[0].split(".")[:2])


def load_extension() -> ModuleType:
    """Import ``safeasr._ext``.

    Raises:
        ExtensionMismatchError: if it was built for another torch, or is not there.
    """
    running = str(torch.__version__)
    try:
        built = str(importlib.import_module("safeasr._build_info").TORCH_VERSION)
    except ImportError as error:
        raise ExtensionMismatchError(
            "safeasr's C++ extension is not built. In a source tree run `make build`; "
            f"otherwise: {REBUILD}"
        ) from error
    message = (
        f"safeasr's C++ extension was built for torch {built}, but torch {running} is installed. "
        f"Build it again for this torch: {REBUILD}"
    )
    # libtorch keeps its binary interface within a minor release, not across.
    if _release(built) != _release(running):
        raise ExtensionMismatchError(message)
    try:
        return importlib.import_module("safeasr._ext")
    except ImportError as error:
        raise ExtensionMismatchError(f"{message}\n{error}") from error


load_extension()

from safeasr import _ext  # noqa: E402  (checked before)
