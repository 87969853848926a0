"""Which model directory is measured."""

from __future__ import annotations

from pathlib import Path

import safeasr
from benchmarks.models import full_size_model
from safeasr.export.cache import cache_dir


def model_directory(family: str, full: bool) -> tuple[str, Path]:
    """The model's name for tables, and FunASR's directory of it.

    Raises:
        SystemExit: if there is no such model yet.
    """
    if family == "paraformer":
        if full:
            return "Paraformer-large (220 M, random weights)", full_size_model()
        return "demo", Path(safeasr.__file__).parent / "models" / "demo"
    # Made by `python -m benchmarks.models --sense-voice`.
    for folder in sorted((cache_dir() / "benchmark-models").glob("sense-voice*")):
        if full and (folder / "model.pt").is_file():
            return "SenseVoiceSmall (234 M, random weights)", folder
    raise SystemExit("no SenseVoiceSmall: run `python -m benchmarks.models --sense-voice`")
