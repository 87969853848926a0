"""Which model directory is measured."""

from __future__ import annotations

import importlib
from pathlib import Path

import safeasr
from benchmarks.common.models import full_size_model


def model_directory(family: str, full: bool, own: Path | None = None) -> tuple[str, Path]:
    """The model's name for tables, and FunASR's directory of it.

    Args:
        family: "paraformer" or "sense-voice".
        full: the full-size model, and not a small one.
        own: a FunASR model directory to use instead.

    Raises:
        SystemExit: if there is no such model.
    """
    if own is not None:
        return own.name, own
    if family == "paraformer":
        if full:
            return "Paraformer-large (220 M, random weights)", full_size_model()
        return "demo", Path(safeasr.__file__).parent / "models" / "demo"
    if not full:
        raise SystemExit("there is no small SenseVoice: use --full, or --directory")
    try:
        maker = importlib.import_module("benchmarks.common.sense_voice_model")
    except ModuleNotFoundError as error:
        raise SystemExit(
            "this version has no SenseVoiceSmall to measure: use --directory"
        ) from error
    return "SenseVoiceSmall (234 M, random weights)", Path(maker.sense_voice_model())
