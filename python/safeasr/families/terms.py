"""On which terms something is submitted: by when, and how urgently."""

from __future__ import annotations

from dataclasses import dataclass, replace

from safeasr._extension import _ext
from safeasr.deadlines import seconds_left
from safeasr.observability.moments import InputMoments

__all__ = ["OwnStream", "Terms"]


@dataclass(frozen=True)
class Terms:
    """On which terms something is submitted.

    Attributes:
        from_file: it was not an array, so it is a whole recording and nothing follows.
        deadline: time of the monotonic clock after which it is not started; None: no limit.
        room_until: until when to wait for room in the queue; None: as long as it takes.
        direct: it belongs to what was accepted before, so it does not wait for room.
        live: it goes before recordings.
        rate: of the samples in Hz, if they are a live stream's and not at the model's rate yet.
        moments: of the input that it belongs to, if anybody keeps them.
    """

    from_file: bool = False
    deadline: float | None = None
    room_until: float | None = None
    direct: bool = False
    live: bool = False
    rate: int | None = None
    moments: InputMoments | None = None

    def patience(self) -> float | None:
        """Seconds that are left to wait for room; None: as long as it takes."""
        return seconds_left(self.room_until)

    def later_stage(self, *, live: bool = False) -> Terms:
        """Of a piece of what was accepted on these terms: a whole recording by itself."""
        return replace(self, from_file=True, direct=True, live=live)

    def for_engine(self) -> _ext.Terms:
        """As the extension takes them, which counts seconds from now on."""
        return _ext.Terms(
            deadline_s=seconds_left(self.deadline),
            wait_s=self.patience(),
            direct=self.direct,
            live=self.live,
            meter=None if self.moments is None else self.moments.meter,
        )


class OwnStream:
    """A live stream that is none of the extension's: ``submit`` takes terms as they are here."""
