"""Load generators: threads in a closed loop over utterances, and audio to feed them with.

``safeasr bench``, the demo and the benchmarks share them, so that every figure the project shows is
counted the same way. Needs numpy alone; what is measured is a function of the caller's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Item", "LoadResult", "closed_loop", "speech_like", "synthetic_items"]


@dataclass(frozen=True, eq=False)
class Item:
    """One utterance of a load.

    Attributes:
        name: what results are counted under.
        audio: what the measured function is called with.
        seconds: length of the audio.
    """

    name: str
    audio: Any
    seconds: float


@dataclass
class LoadResult:
    """What a load took.

    Attributes:
        threads: callers at the same time.
        wall_s: from the start of the first call to the end of the last, in seconds.
        cpu_s: processor time of the whole process meanwhile, in seconds.
        audio_s: audio of the calls that succeeded, in seconds.
        latencies_s: of each call that succeeded, in seconds, in the order they ended.
        errors: calls that raised, by the exception's name.
        results: what the calls returned, by item; each different result once.
    """

    threads: int
    wall_s: float = 0.0
    cpu_s: float = 0.0
    audio_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    results: dict[str, set[str]] = field(default_factory=dict)

    @property
    def rtfx(self) -> float:
        """Audio seconds recognised in a second."""
        return self.audio_s / self.wall_s if self.wall_s else 0.0

    def latency_ms(self, percent: float) -> float:
        """A percentile of the latency in ms; NaN if no call succeeded."""
        if not self.latencies_s:
            return float("nan")
        return float(np.percentile(self.latencies_s, percent)) * 1000


def closed_loop(
    call: Callable[[Any], str],
    items: Sequence[Item],
    threads: int,
    *,
    passes: int | None = None,
    seconds: float | None = None,
) -> LoadResult:
    """Call a function from several threads, each starting its next call when the last one ended.

    The threads take the items in turn, so all systems get the same work in the same order.

    Args:
        call: the function; called with an item's audio, its result is kept as a string.
        items: the utterances.
        threads: how many callers.
        passes: how often to go through all items, or
        seconds: how long to start new calls.

    Raises:
        ValueError: unless exactly one of ``passes`` and ``seconds`` is given.
    """
    if (passes is None) == (seconds is None):
        raise ValueError("give either passes or seconds")
    last = None if passes is None else passes * len(items)
    result = LoadResult(threads)
    lock = threading.Lock()
    start = threading.Barrier(threads + 1)
    taken = 0
    stop_at = 0.0

    def take() -> Item | None:
        nonlocal taken
        with lock:
            if taken == last or (last is None and time.perf_counter() >= stop_at):
                return None
            taken += 1
            return items[(taken - 1) % len(items)]

    def work() -> None:
        start.wait()
        while (item := take()) is not None:
            began = time.perf_counter()
            try:
                text = call(item.audio)
            except Exception as error:
                with lock:
                    result.errors[type(error).__name__] += 1
                continue
            latency = time.perf_counter() - began
            with lock:
                result.latencies_s.append(latency)
                result.audio_s += item.seconds
                result.results.setdefault(item.name, set()).add(text)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    cpu = time.process_time()
    began = time.perf_counter()
    stop_at = began + (seconds or 0.0)
    start.wait()
    for worker in workers:
        worker.join()
    result.wall_s = time.perf_counter() - began
    result.cpu_s = time.process_time() - cpu
    return result


def speech_like(seconds: float, seed: int, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Noise with the rhythm and the rough spectrum of speech: syllables, formants, pauses.

    Args:
        seconds: length.
        seed: of the random generator; the same seed gives the same samples.
        sample_rate: in Hz.

    Returns:
        Samples in [-1, 1], shape (seconds * sample_rate,).
    """
    random = np.random.default_rng(seed)
    count = int(seconds * sample_rate)
    spectrum = np.fft.rfft(random.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / sample_rate)
    shape = 1 / (1 + (hertz / 500) ** 2)
    for formant in (500, 1500, 2500):
        shape += 0.5 * np.exp(-(((hertz - formant * random.uniform(0.8, 1.2)) / 150) ** 2))
    wave = np.fft.irfft(spectrum * shape, count)
    # Syllables of 100 to 300 ms, of which one in six is silent.
    edges = np.cumsum(random.uniform(0.1, 0.3, int(seconds / 0.1) + 2))
    loudness = random.uniform(0.3, 1.0, edges.size) * (random.random(edges.size) > 1 / 6)
    place = np.searchsorted(edges, np.arange(count) / sample_rate)
    smooth = np.hanning(sample_rate // 20)
    envelope = np.convolve(loudness[place], smooth / smooth.sum(), mode="same")
    wave = wave * envelope + 1e-3 * random.standard_normal(count)
    return np.asarray(0.5 * wave / np.abs(wave).max(), dtype=np.float32)


def synthetic_items(
    count: int, shortest_s: float = 5.0, longest_s: float = 15.0, seed: int = 0
) -> list[Item]:
    """Utterances of :func:`speech_like` noise with lengths spread evenly, in random order."""
    lengths = np.linspace(shortest_s, longest_s, count).round(2)
    np.random.default_rng(seed).shuffle(lengths)
    return [
        Item(f"noise-{i:02d}", speech_like(float(length), seed * 1000 + i), float(length))
        for i, length in enumerate(lengths)
    ]
