"""A pipeline of small models that says who speaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import safeasr
from support.audio import Samples
from support.punctuation import WHOLE_SHAPES, write_punc_dir
from support.sense_voice import write_model_dir as write_sense_voice_dir
from support.speakers import write_speaker_dir
from support.vad import conversation

__all__ = ["named", "same", "wave", "write_models"]

MODELS = Path(safeasr.__file__).parent / "models"
CONFS = {
    "CAMPPlus": {"growth_rate": 4, "bn_size": 2, "init_channels": 16, "embedding_size": 24},
    "ERes2NetV2": {"m_channels": 8, "embedding_size": 16},
}


def wave() -> Samples:
    """Begins with a pause: FunASR fails on the few ms that `merge_vad` would make a piece of."""
    return conversation(30, seed=11)


def write_models(root: Path) -> dict[str, str]:
    """Model directories beside the embedded ones, by what they are."""
    found = {name: str(write_speaker_dir(root / name, name, conf)) for name, conf in CONFS.items()}
    found["punc"] = str(write_punc_dir(root / "punc", WHOLE_SHAPES[0]))
    found["sense_voice"] = str(write_sense_voice_dir(root / "sense_voice"))
    return found


def named(made: dict[str, str], **names: str | None) -> dict[str, Any]:
    """Arguments of a pipeline of the demo, with what is named otherwise."""
    models = {
        "model": str(MODELS / "demo"),
        "vad_model": str(MODELS / "demo-vad"),
        "punc_model": made["punc"],
        "spk_model": made["CAMPPlus"],
        **names,
    }
    return {role: name for role, name in models.items() if name is not None}


def same(result: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal, and the speakers' centres nearly so."""
    result, expected = dict(result), dict(expected)
    centres, wanted = (one.pop("spk_embedding_center", None) for one in (result, expected))
    assert result == expected
    assert (centres is None) == (wanted is None)
    if wanted is not None:
        assert centres.dtype == wanted.dtype and centres.shape == wanted.shape
        assert np.abs(centres - wanted).max() <= 1e-4 * np.abs(wanted).max()
