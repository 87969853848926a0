"""Writing the programs of a bundle."""

from __future__ import annotations

from pathlib import Path

import torch

from safeasr.bundles.damage import out_of_memory
from safeasr.bundles.quiet import without_warnings
from safeasr.errors import ExportError, OutOfMemoryError

__all__ = ["save_program"]

#: torch.jit says of itself that it is deprecated. There is no successor that C++ can run so.
_DEPRECATED = r"`torch\.jit\.\w+` is "


def save_program(module: torch.nn.Module, path: Path) -> None:
    """Script a network and write it, weights included.

    torch's own writer ends the process when a disk is full, so the program is made in memory,
    where it takes up to three times its size for a moment, and written from there.

    Raises:
        ExportError: if it cannot be scripted.
        OutOfMemoryError: if there is no room for it in memory.
        OSError: if it cannot be written.
    """
    try:
        with without_warnings(_DEPRECATED):
            scripted = torch.jit.script(module.eval().requires_grad_(False))
        content: bytes = scripted._c.save_to_buffer()
    except Exception as error:
        if out_of_memory(error):
            raise OutOfMemoryError(f"no memory left to export a network: {error}") from error
        raise ExportError(f"cannot script {type(module).__name__}: {error}") from error
    path.write_bytes(content)
