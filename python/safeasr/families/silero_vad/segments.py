"""From the probability of speech in each window to segments, as the windows come.

The rules are those of ``get_speech_timestamps`` of the package ``silero-vad``, as FunASR calls it:
segments may be of any length, and are cut to ``max_single_segment_time`` in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["DEFAULTS", "SpeechSegments"]

#: Of the options that the rules heed, where nobody gives one.
DEFAULTS: Final[Mapping[str, float]] = {
    "silero_threshold": 0.5,
    "silero_min_speech_duration_ms": 250,
    "silero_min_silence_duration_ms": 100,
    "silero_speech_pad_ms": 30,
}

_Span = tuple[int, int]


class SpeechSegments:
    """The segments of one recording."""

    def __init__(self, options: Mapping[str, Any], rate: int, window: int) -> None:
        """Of a recording that begins.

        Args:
            options: of the call.
            rate: of the samples, in Hz.
            window: samples of a window.
        """

        def value(name: str) -> float:
            given: float | None = options.get(name)
            return DEFAULTS[name] if given is None else given

        def samples(name: str) -> float:
            return rate * value(name) / 1000

        self._begins = value("silero_threshold")
        self._ends = max(self._begins - 0.15, 0.01)
        self._least_speech = samples("silero_min_speech_duration_ms")
        self._least_silence = samples("silero_min_silence_duration_ms")
        self._padding = samples("silero_speech_pad_ms")
        self._longest_ms = int(options.get("max_single_segment_time") or 0)
        self._rate = rate
        self._window = window
        self._now = 0  # the first sample of the window that comes
        self._start: int | None = None  # of speech that goes on
        self._silent_from: int | None = None  # its end, if the silence lasts
        self._last: _Span | None = None  # whose end depends on what comes

    def add(self, speech: Iterable[float]) -> list[list[int]]:
        """The next windows; returns the segments, ``[start_ms, end_ms]``, that are final."""
        found: list[list[int]] = []
        for probability in speech:
            self._one(probability, found)
            self._now += self._window
        return found

    def _one(self, probability: float, found: list[list[int]]) -> None:
        now = self._now
        was_silent = self._start is None
        if probability >= self._begins:
            self._silent_from = None
            if self._start is None:
                self._start = now
        # Of a threshold of nearly 0 a window may be both.
        if self._start is not None and not was_silent and probability < self._ends:
            if self._silent_from is None:
                self._silent_from = now
            if now - self._silent_from >= self._least_silence:
                self._close(self._silent_from, found)
        # Nothing can come so near any more that both would share the silence.
        far = self._last is not None and now - self._last[1] >= 2 * self._padding
        if far and self._start is None:
            self._tell_last(now, found)

    def _close(self, end: int, found: list[list[int]]) -> None:
        assert self._start is not None
        start, self._start, self._silent_from = self._start, None, None
        if end - start > self._least_speech:
            self._keep(start, end, found)

    def _keep(self, start: int, end: int, found: list[list[int]]) -> None:
        """Pad the beginning of a segment, and tell of the one before."""
        if self._last is not None:
            silence = start - self._last[1]
            if silence < 2 * self._padding:
                begin, finish = self._last
                self._tell(begin, finish + silence // 2, found)
                self._last = (max(0, start - silence // 2), end)
                return
            self._tell_last(start, found)
        self._last = (int(max(0, start - self._padding)), end)

    def _tell_last(self, length: int, found: list[list[int]]) -> None:
        assert self._last is not None
        start, end = self._last
        self._last = None
        self._tell(start, int(min(length, end + self._padding)), found)

    def _tell(self, start: int, end: int, found: list[list[int]]) -> None:
        first, last = int(start * 1000 / self._rate), int(end * 1000 / self._rate)
        while self._longest_ms and last - first > self._longest_ms:
            found.append([first, first + self._longest_ms])
            first += self._longest_ms
        found.append([first, last])

    def end(self, length: int) -> list[list[int]]:
        """What is left at the end of a recording of so many samples."""
        found: list[list[int]] = []
        if self._start is not None and length - self._start > self._least_speech:
            self._keep(self._start, length, found)
        if self._last is not None:
            self._tell_last(length, found)
        return found

    @property
    def needed_from(self) -> int:
        """No segment that is still to come begins before this time, in ms."""
        starts = [self._now] if self._start is None else [self._start]
        if self._last is not None:
            starts.append(self._last[0])
        return max(0, int((min(starts) - self._padding) * 1000 / self._rate) - 1)
