"""When the stages of one input began and ended. Times are of the monotonic clock, in seconds."""

from __future__ import annotations

import time
from typing import Any

from safeasr._extension import _ext

__all__ = ["InputMoments", "Moments"]


#: How many requests, seconds they waited and ran, when the first came and began, the last ended.
_Reading = tuple[int, float, float, float, float, float]


def _together(one: _Reading, other: _Reading) -> _Reading:
    return (
        one[0] + other[0], one[1] + other[1], one[2] + other[2],
        min(one[3], other[3]), min(one[4], other[4]), max(one[5], other[5]),
    )  # fmt: skip


class Moments:
    """What is told of a request: an input of a call, or a chunk of a stream.

    Attributes:
        key: its name in results; None if it has none.
        began: when it came.
        ended: when it ended; None before that.
        error: the class of what it failed with, or None.
    """

    # What is not known yet lies here: each attribute that is set costs some nanoseconds.
    ended: float | None = None
    error: str | None = None

    def __init__(self, key: str | None) -> None:
        """It begins now."""
        self.key = key
        self.began = time.monotonic()

    def spans(self) -> dict[str, tuple[float, float, dict[str, Any]]]:
        """Stages that have ended: when each began and ended, and what else is known of it."""
        return {}

    def stages(self) -> dict[str, float]:
        """How long each stage took, in seconds; of several requests all of them together."""
        return {}

    def total_s(self, now: float) -> float:
        """How long it took, or has taken by now."""
        return (now if self.ended is None else self.ended) - self.began


class InputMoments(Moments):
    """Of one input of a call.

    Attributes:
        audio_s: how long its audio is, in seconds, once it was read; 0.0 of what is none.
        meter: learns from the engine when its requests waited and ran; None if nobody will ask.
    """

    audio_s = 0.0
    meter: _ext.Meter | None = None
    _beside: _Reading | None = None
    _read_s: float | None = None
    _read_until = 0.0
    _counted = False
    _done: float | None = None
    _segments_s = 0.0
    _text_began: float | None = None
    _text_s = 0.0

    def __init__(
        self, counters: _ext.CallCounters, key: str, before: InputMoments | None = None
    ) -> None:
        """It is about to be read.

        Args:
            counters: of the model.
            key: its name in results.
            before: of the same input, for which there was no room; what was counted then is not
                counted again.
        """
        if before is not None:
            self._counted = before._counted
        self.key = key
        self._counters = counters
        self.began = time.monotonic()

    def read(self, audio_s: float) -> None:
        """It was read as a whole, since it came."""
        now = time.monotonic()
        self.recorded(now - self.began, now, audio_s)

    def recorded(self, read_s: float, read_until: float, audio_s: float) -> None:
        """It was read, perhaps in blocks with pauses between them; the first time counts.

        Args:
            read_s: seconds that reading took.
            read_until: when it ended.
            audio_s: seconds of audio that came of it.
        """
        if self._read_s is None:
            self._read_s, self._read_until, self.audio_s = read_s, read_until, audio_s
            if not self._counted:
                self._counted = True
                self._counters.read(read_s, audio_s)

    def ran(self, arrived: float, began: float, ended: float) -> None:
        """One of its requests ran beside the engine; called by one thread at a time."""
        own = (1, began - arrived, ended - began, arrived, began, ended)
        self._beside = own if self._beside is None else _together(self._beside, own)

    def _reading(self) -> _Reading | None:
        """Of all of its requests, as of the engine's meter; None if nobody asked for it."""
        if self.meter is None:
            return None
        known = [one for one in (self.meter.reading(), self._beside) if one is not None]
        return _together(*known) if len(known) == 2 else next(iter(known), None)

    def wrote(self, text_s: float) -> None:
        """The text of one of its segments was made, which took so long."""
        self._segments_s += text_s

    def told(self, text_began: float, done: float | None = None) -> None:
        """Its result is there.

        Args:
            text_began: when making the result began.
            done: when everything else was done; None: then.
        """
        now = time.monotonic()
        self._done = done
        self._text_began = text_began
        self._text_s = now - text_began + self._segments_s
        self.ended = now
        self._counters.told(self._text_s, self.audio_s)

    def failed(self, error: BaseException, ended: float | None = None) -> None:
        """It ended with an error, now or at the time that is given; the first one counts."""
        if self.ended is None:
            self.error = type(error).__name__
            self.ended = time.monotonic() if ended is None else ended

    def total_s(self, now: float) -> float:
        """Without the time that its result lay there until somebody took it."""
        total_s = super().total_s(now)
        if self._text_began is None or self._done is None:
            return total_s
        return total_s - max(0.0, self._text_began - self._done)

    def stages(self) -> dict[str, float]:
        """How long each stage took, in seconds; of several requests all of them together."""
        found: dict[str, float] = {}
        if self._read_s is not None:
            found["decode"] = self._read_s
        reading = self._reading()
        if reading is not None:
            found["queue"], found["compute"] = reading[1], reading[2]
        if self._text_began is not None:
            found["text"] = self._text_s
        return found

    def spans(self) -> dict[str, tuple[float, float, dict[str, Any]]]:
        """Stages that have ended: when each began and ended, and what else is known of it."""
        found: dict[str, tuple[float, float, dict[str, Any]]] = {}
        if self._read_s is not None:
            found["decode"] = (self.began, self._read_until, {"safeasr.busy_s": self._read_s})
        reading = self._reading()
        if reading is not None:
            requests, waited_s, ran_s, arrival, start, end = reading
            many = {"safeasr.requests": requests}
            found["queue"] = (arrival, start, {**many, "safeasr.busy_s": waited_s})
            found["compute"] = (start, end, {**many, "safeasr.busy_s": ran_s})
        if self._text_began is not None and self.ended is not None:
            found["text"] = (self._text_began, self.ended, {"safeasr.busy_s": self._text_s})
        return found
