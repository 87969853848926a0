"""A client of ``safeasr serve``, without torch: recordings, live sessions, from threads or asyncio.

::

    from safeasr.client import Client

    with Client("http://127.0.0.1:8000") as client:
        print(client.transcribe("speech.wav").text)

Live sessions need ``pip install 'safeasr[client]'``. See docs/client.md.
"""

from __future__ import annotations

from safeasr.client.answers import Segment, ServedModel, Transcript, Word
from safeasr.client.live.events import Event, Final, PartFailed, Partial, Reconnected
from safeasr.client.live.waiting import Session
from safeasr.client.loop import AsyncClient
from safeasr.client.waiting import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Event",
    "Final",
    "PartFailed",
    "Partial",
    "Reconnected",
    "Segment",
    "ServedModel",
    "Session",
    "Transcript",
    "Word",
]
