"""Writing the programs of a bundle."""

from __future__ import annotations

from pathlib import Path

import torch

from safeasr.errors import ExportError

__all__ = ["save_program"]


def save_program(module: torch.nn.Module, path: Path) -> None:
    """Script a network and write it, weights included.

    Raises:
        ExportError: if it cannot be scripted.
    """
    try:
        scripted = torch.jit.script(module.eval().requires_grad_(False))
        torch.jit.save(scripted, str(path))
    except Exception as error:
        raise ExportError(f"cannot script {type(module).__name__}: {error}") from error
