"""What is said next: by the callers of a closed load, and by each speaker of live sessions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.loads import Closed, Load, Sessions, clip_order

__all__ = ["CallTurns", "SpeakerTurns"]


class CallTurns:
    """The requests of a closed load, which all callers share."""

    def __init__(self, drive: Drive, load: Load) -> None:
        assert isinstance(load.kind, Closed)
        self._drive, self._kind = drive, load.kind
        order: list[int] = clip_order(len(drive.clips), load.seed).tolist()
        self._order = itertools.cycle(order)
        self._left = load.kind.requests

    def next(self) -> int | None:
        """Number of the clip that the next caller asks for; None if the load is over."""
        if self._drive.stop.is_set():
            return None
        if self._left is None:
            if time.monotonic() >= self._drive.begin + (self._kind.seconds or 0.0):
                return None
        elif self._left == 0:
            return None
        else:
            self._left -= 1
        return next(self._order)


class SpeakerTurns:
    """The utterances of one speaker.

    Attributes:
        clip: number of the clip that is said next.
        begin: moment when the speaker begins to say it, by :func:`time.monotonic`.
    """

    def __init__(self, drive: Drive, kind: Sessions, number: int, everyone: int) -> None:
        """Of one of several speakers.

        Args:
            drive: the load, whose `begin` is known by now.
            kind: of the load.
            number: of the speaker, from 0, among
            everyone: all speakers, those of other generators too.
        """
        self._kind, self._clips = kind, drive.clips
        spread = _spread(kind, drive.clips)
        # So long after the last one began: from then on everyone speaks.
        self._end = drive.begin + spread + kind.seconds
        self._said = 0
        self.clip = number % len(drive.clips)
        # Speakers begin one after the other, as people would, and not all with one chunk.
        self.begin = drive.begin + spread * number / everyone

    @property
    def over(self) -> bool:
        """Whether there is no further utterance."""
        if self._kind.rounds is not None:
            return self._said >= self._kind.rounds
        return self.begin >= self._end

    def spoken(self) -> None:
        """The utterance that began at `begin` has ended; the next one is planned."""
        now = time.monotonic()
        pause = self.begin + self._clips[self.clip].seconds + 0.2
        self.begin = max(pause, now) if self._kind.paced else now
        self._said += 1
        self.clip = (self.clip + 1) % len(self._clips)


def _spread(kind: Sessions, clips: Sequence[Clip]) -> float:
    if kind.spread_s is not None:
        return kind.spread_s
    if not kind.paced:
        return 0.0
    return min(max(clip.seconds for clip in clips), kind.seconds / 2)
