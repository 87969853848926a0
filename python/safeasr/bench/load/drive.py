"""What a load knows of itself while it runs, however its requests are sent."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.records import Records

__all__ = ["Drive"]


@dataclass
class Drive:
    """What is under way.

    Attributes:
        clips: what is said.
        begin: moment of the load's second 0, by :func:`time.monotonic`.
        records: what ended.
        stop: set, by any thread, when no new request may begin.
        asked: requests that were begun.
        in_flight: those that have not ended.
        lags: how late the event loop was, looked at fifty times a second, in seconds.
    """

    clips: Sequence[Clip]
    begin: float
    records: Records = field(default_factory=Records)
    stop: threading.Event = field(default_factory=threading.Event)
    asked: int = 0
    in_flight: int = 0
    lags: array[float] = field(default_factory=lambda: array("d"))
