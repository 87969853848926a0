"""What the scenarios share: recordings, latencies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import safeasr
from safeasr import AutoModel
from safeasr._extension import _ext
from safeasr.families.terms import Terms
from safeasr.observability.moments import InputMoments
from safeasr.pipeline.stepwise import is_recognizer

RATE = 16000
Samples = NDArray[np.float32]


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Of latencies, in ms."""
    values = np.sort(np.asarray(seconds)) * 1e3
    return {
        "count": len(values),
        "p50_ms": round(float(np.percentile(values, 50)), 2),
        "p99_ms": round(float(np.percentile(values, 99)), 2),
        "worst_ms": round(float(values[-1]), 2),
    }


def timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def an_hour(seconds: float = 3600.0) -> Samples:
    """Speech of the streaming demo's conversation, again and again."""
    folder = Path(safeasr.__file__).parent / "models" / "demo-streaming" / "audio"
    wave, _ = soundfile.read(folder / "conversation.flac", dtype="float32")
    return np.tile(wave, int(seconds * RATE / len(wave)) + 1)[: int(seconds * RATE)]


def segments_of(hour: Samples) -> list[Samples]:
    """What a detector makes of its first five minutes."""
    with AutoModel("demo-vad", disable_pbar=True) as detector:
        found = detector.generate(hour[: 300 * RATE])[0]["value"]
    return [hour[16 * begin : 16 * end] for begin, end in found]


@dataclass(frozen=True)
class Recording:
    """A request of the recogniser, and what its batch took."""

    ticket: _ext.Ticket
    moments: InputMoments

    @property
    def batch_s(self) -> float | None:
        """How long its batch ran; None of one that was cancelled before it began."""
        return self.moments.stages().get("compute")


def submit_past_detector(model: AutoModel, samples: Samples) -> Recording:
    """Queue a recording as one request, also of a model with a detector."""
    main = model._companions.main
    assert is_recognizer(main)
    moments = InputMoments(_ext.CallCounters(), "recording")
    moments.meter = _ext.Meter()
    terms = Terms(direct=True, moments=moments)
    return Recording(main.submit(model._engine, samples, {}, terms), moments)
