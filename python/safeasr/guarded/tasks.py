"""What FunASR's model classes are for, as far as somebody says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from safeasr.families.base import Accepts, Task

__all__ = ["accepted", "task_of", "wants_tensors"]

#: Those of FunASR's classes that are no recognisers, by parts of their names.
_BY_CLASS: Final[tuple[tuple[str, Task], ...]] = (
    ("VAD", "vad"),
    ("SileroVad", "vad"),
    ("CTTransformer", "punc"),
    ("CAMPPlus", "spk"),
    ("ERes2Net", "spk"),
    ("eres2net", "spk"),
    ("Emotion", "emotion"),
    ("KWS", "kws"),
    ("MonotonicAligner", "align"),
)
#: What the hub's configuration.json calls them.
_BY_TASK: Final[dict[str, Task]] = {
    "punctuation": "punc",
    "voice-activity-detection": "vad",
    "speaker-verification": "spk",
    "speaker-diarization": "spk",
    "emotion-recognition": "emotion",
    "keyword-spotting": "kws",
    "speech-timestamp": "align",
}
#: Classes that look at the type of what they get, and know tensors only.
_TENSORS: Final = ("FunASRNano", "LLMASR")


def task_of(model_class: str, directory: Path | None) -> Task:
    """What a model is for; without a word to the contrary, recognition.

    Args:
        model_class: FunASR's name of the class.
        directory: of the model, or None.
    """
    for part, task in _BY_CLASS:
        if part in model_class:
            return task
    try:
        said: Any = json.loads((directory or Path()).joinpath("configuration.json").read_bytes())
        return _BY_TASK.get(str(said.get("task")), "asr")
    except (OSError, ValueError, AttributeError):
        return "asr"


def accepted(task: Task) -> tuple[Accepts, ...]:
    """What a model of a task takes."""
    if task == "punc":
        return ("text",)
    # Some recognisers take texts beside recordings, such as what is on a slide.
    return ("pairs",) if task == "align" else ("samples", "features", "pairs")


def wants_tensors(model_class: str) -> bool:
    """Whether samples must come as a tensor, not as an array."""
    return model_class.startswith(_TENSORS)
