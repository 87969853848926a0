"""Reading the tensors of a checkpoint."""

from __future__ import annotations

import itertools
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import torch

from safeasr.bundles.damage import check_archive, out_of_memory
from safeasr.bundles.quiet import without_warnings
from safeasr.errors import ExportError, OutOfMemoryError

__all__ = ["read_weights"]

#: torch warns of formats that it reads all the same.
_READ_ALL_THE_SAME = ("Detected pickle protocol", "TypedStorage is", "'torch.load' received a zip")
#: What torch says of a checkpoint whose objects it does not make without trust.
_NEEDS_TRUST = ("unsupported global", "unsupported class", "torchscript archive", "global ")


def _is_pickle(path: Path) -> bool:
    """Whether a file is a pickle, as far as its beginning tells; nothing of it is run."""
    try:
        with path.open("rb") as file:
            if file.read(1) != b"\x80":
                return False
            file.seek(0)
            # torch's old format begins with a pickle of three operations, a number.
            return len(list(itertools.islice(pickletools.genops(file), 1000))) > 3
    except Exception:  # it is none: what that raises depends on the bytes
        return False


def _hint(path: Path, error: Exception, trusted: bool) -> str:
    """What to do about a checkpoint that cannot be read."""
    text = str(error).lower()
    if not trusted and (any(words in text for words in _NEEDS_TRUST) or _is_pickle(path)):
        return (
            "it holds more than tensors. If you trust whoever made it, pass trust_remote_code=True"
        )
    said = " ".join(str(error).split())
    return f"it is no checkpoint, or damaged: download it again ({said[:300] or repr(error)})"


def read_weights(path: Path, *, trust_remote_code: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, by FunASR's parameter names.

    Nothing pickled in the file is executed, unless ``trust_remote_code``.

    Raises:
        ExportError: if the file cannot be read, is damaged, or holds no state dict.
        OutOfMemoryError: if there is no room for it.
    """

    def load(mmap: bool) -> Any:
        with without_warnings(*_READ_ALL_THE_SAME):
            return torch.load(
                path, map_location="cpu", mmap=mmap, weights_only=not trust_remote_code
            )

    try:
        check_archive(path)
        # Mapped, the weights need no second copy in memory; files in torch's old format cannot be.
        state = load(zipfile.is_zipfile(path))
    except ExportError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise OutOfMemoryError(f"no memory left to read {path}: {error}") from error
        hint = _hint(path, error, trust_remote_code)
        raise ExportError(f"cannot read the checkpoint {path}: {hint}") from error
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict):
        raise ExportError(f"{path} holds a {type(state).__name__}, not a state dict")
    found = {
        name.removeprefix("module."): value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor)
    }
    if not found:
        raise ExportError(f"{path} holds no tensors by names: it is no checkpoint of a model")
    return found
