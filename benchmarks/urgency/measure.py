"""What the scenarios share: recordings, latencies."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import safeasr
from safeasr import AutoModel

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


class BatchTimes(logging.Handler):
    """How long the batches of recordings ran, by the log of slow requests.

    A model tells this log of every request when its ``slow_request_s`` is 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def __enter__(self) -> BatchTimes:
        log = logging.getLogger("safeasr.requests")
        log.addHandler(self)
        log.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        log = logging.getLogger("safeasr.requests")
        log.removeHandler(self)
        log.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the time of a recording's batch."""
        compute = getattr(record, "compute_s", None)
        if compute is not None and isinstance(record.args, tuple) and record.args[1] == "request":
            self.seconds.append(compute)
