"""Streams of two passes, fed as a service feeds them."""

from __future__ import annotations

from typing import Any

from safeasr import AutoModel
from support.audio import Samples

__all__ = ["Events", "ended", "events_of"]

Events = list[dict[str, Any]]
#: Samples of a chunk: 600 ms.
CHUNK = 9600


def events_of(model: AutoModel, wave: Samples, **options: Any) -> Events:
    """All events of a stream."""
    found: Events = []
    with model.stream(key="k", **options) as stream:
        for at in range(0, len(wave), CHUNK):
            found += stream.feed(wave[at : at + CHUNK], at + CHUNK >= len(wave))
    return found


def ended(events: Events) -> Events:
    """Those of segments that have ended."""
    return [event for event in events if event["is_final"]]
