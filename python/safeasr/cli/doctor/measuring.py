"""How fast a model is here: the embedded clip, from one caller, for a few seconds."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from safeasr.auto_model import AutoModel
from safeasr.inputs.audio import load_audio

__all__ = ["Speed", "measure"]

#: Of the embedded clip, in seconds.
_CLIP_S: Final = 10.0
#: As long is asked again, but not more often than this.
_AT_MOST_S: Final = 3.0
_AT_MOST: Final = 20
_TEXT: Final = "hello world this is a text without any marks that somebody has said in one go "


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Attributes:
        unit: "seconds of audio", or "characters".
        amount: of them in the input.
        first_s: what the first call took.
        median_s: what those after it took.
        calls: how many those are.
    """

    unit: str
    amount: float
    first_s: float
    median_s: float
    calls: int

    @property
    def in_a_second(self) -> float:
        """Units that one caller gets through in a second."""
        return self.amount / max(self.median_s, 1e-9)


def measure(model: AutoModel) -> Speed:
    """Ask a model for the clip, or for a text, again and again.

    Raises:
        SafeASRError: of the first call that fails.
    """
    task, rate = model.model.task, model.model.sample_rate
    given: Any = _TEXT * 4
    unit, amount = "characters", float(len(given))
    if task != "punc":
        place = resources.files("safeasr") / "models" / "demo-spk" / "audio" / "dialogue.flac"
        clip = load_audio(place.read_bytes(), sample_rate=rate)[: int(_CLIP_S * rate)]
        given = (clip, _TEXT) if task == "align" else clip
        unit, amount = "seconds of audio", len(clip) / rate
    times: list[float] = []
    end = time.monotonic() + _AT_MOST_S
    while len(times) < 2 or (time.monotonic() < end and len(times) <= _AT_MOST):
        began = time.monotonic()
        model.generate(given, fs=rate)
        times.append(time.monotonic() - began)
    return Speed(unit, amount, times[0], statistics.median(times[1:]), len(times) - 1)
