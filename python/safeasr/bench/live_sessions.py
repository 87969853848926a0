"""Live sessions as load: chunks that arrive when a microphone would deliver them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Feed", "LiveResult", "live_sessions"]

#: Takes the next samples of one session, and whether they are its last; returns their text.
Feed = Callable[[NDArray[np.float32], bool], str]


@dataclass
class LiveResult:
    """What came of a run.

    Attributes:
        sessions: how many ran at the same time.
        latencies_s: of each chunk, from the moment when its last sample was spoken to its text.
        texts: of each session, the text of each of its chunks; None where it failed.
        errors: kinds of errors and their numbers.
        wall_s: from the first session's start to the last one's end.
    """

    sessions: int
    latencies_s: list[float] = field(default_factory=list)
    texts: list[list[str | None]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0

    def latency_ms(self, percentile: float) -> float:
        """A percentile of the latencies in ms."""
        if not self.latencies_s:
            return float("nan")
        return float(np.percentile(self.latencies_s, percentile)) * 1000


def live_sessions(
    open_session: Callable[[int], Feed],
    waves: Sequence[NDArray[np.float32]],
    *,
    chunk_s: float = 0.6,
    sample_rate: int = 16000,
    paced: bool = True,
    on_text: Callable[[int, str], Any] | None = None,
) -> LiveResult:
    """Run one session for each wave, all at the same time, each in a thread of its own.

    The schedule is absolute: chunk k of a session is due k chunks after its start, whatever
    happened to the chunks before. Sessions start staggered over one chunk, as callers would.

    Args:
        open_session: makes the session of a number; called in the session's thread.
        waves: samples (n,) of each session.
        chunk_s: length of a chunk in seconds.
        sample_rate: of the waves in Hz.
        paced: False feeds as fast as the answers come.
        on_text: called with the number of the session and the text of each chunk.
    """
    result = LiveResult(len(waves), texts=[[] for _ in waves])
    lock = threading.Lock()
    step = int(chunk_s * sample_rate)
    begin = time.monotonic() + 0.2

    def run(number: int) -> None:
        wave = waves[number]
        start = begin + chunk_s * number / len(waves)
        feed = open_session(number)
        for at in range(0, len(wave), step):
            piece = wave[at : at + step]
            due = start + (at + len(piece)) / sample_rate
            if paced:
                time.sleep(max(0.0, due - time.monotonic()))
            else:
                due = time.monotonic()
            text: str | None = None
            try:
                text = feed(piece, at + step >= len(wave))
            except Exception as error:
                with lock:
                    result.errors[type(error).__name__] += 1
            late = time.monotonic() - due
            with lock:
                result.latencies_s.append(late)
                result.texts[number].append(text)
            if text and on_text is not None:
                on_text(number, text)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(waves))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.wall_s = time.monotonic() - begin
    return result
