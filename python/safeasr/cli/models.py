"""Finding and loading models for the commands."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safeasr.auto_model import AutoModel
from safeasr.loading.find import find_model

__all__ = ["find_directory", "load_model", "quiet_stdout"]


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Send what is printed to standard error: FunASR's downloader talks where results belong."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def load_model(model: str, **options: Any) -> AutoModel:
    """An AutoModel without progress bars; nothing reaches the standard output meanwhile."""
    with quiet_stdout():
        return AutoModel(model=model, disable_pbar=True, **options)


def find_directory(model: str) -> Path:
    """The model's local directory; downloads it if need be."""
    with quiet_stdout():
        return find_model(model)
