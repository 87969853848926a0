"""Small clients of ``safeasr serve`` for tests, and what the library itself says of the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import ClientConnection, connect

from safeasr import AutoModel

__all__ = [
    "END",
    "Realtime",
    "ask",
    "frames",
    "offline_text",
    "open_ws",
    "pcm16",
    "texts",
    "two_pass_texts",
    "until_final",
]

END = '{"is_speaking": false}'
Said = str | bytes | dict[str, Any]
_SECONDS = 60.0


def pcm16(samples: NDArray[Any]) -> bytes:
    """Samples (n,) of -1 to 1 as 16-bit PCM."""
    return np.clip(np.asarray(samples) * 32768, -32768, 32767).astype("<i2").tobytes()


def frames(data: bytes, size: int = 9600) -> list[bytes]:
    """The data in messages of so many bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def open_ws(url: str, **options: Any) -> ClientConnection:
    """A connection without the client's own limits."""
    options = {"max_size": None, "compression": None, "ping_interval": None, **options}
    return connect(url, open_timeout=30, close_timeout=5, **options)


def until_final(connection: ClientConnection) -> list[dict[str, Any]]:
    """The messages up to the one that is final; fails if it does not come."""
    found = []
    while not found or not found[-1]["is_final"]:
        found.append(json.loads(connection.recv(_SECONDS)))
    return found


def ask(url: str, *messages: Said, **options: Any) -> list[dict[str, Any]]:
    """Say that to FunASR's websocket, and the end; returns all answers until the final one.

    Fails if a message follows that.
    """
    with open_ws(url, **options) as connection:
        for message in messages:
            connection.send(json.dumps(message) if isinstance(message, dict) else message)
        if not (isinstance(messages[-1], dict) and messages[-1].get("is_speaking") is False):
            connection.send(END)
        found = until_final(connection)
        connection.send("no JSON")  # whose answer must be the next message
        more = connection.recv(_SECONDS)
        assert "invalid_json" in str(more), f"behind the final message: {more!r}"
        return found


def texts(messages: Iterable[dict[str, Any]], mode: str) -> list[str]:
    """The texts of the messages of one mode."""
    return [one["text"] for one in messages if one["mode"] == mode and one["text"]]


def offline_text(model: AutoModel, data: bytes, **options: Any) -> str:
    """What the library says of a recording: of 16-bit PCM at 16 kHz unless options say else."""
    options = {"fs": 16000, "data_type": "pcm", **options} if options.pop("raw", True) else options
    return str(model.generate(data, **options)[0]["text"])


def two_pass_texts(
    model: AutoModel,
    pcm: bytes,
    fs: int = 16000,
    mode: str = "2pass",
    size: int | None = None,
    **options: Any,
) -> tuple[str, list[str]]:
    """What the library says live: of the first pass all as one, of the second each segment.

    What a first pass says depends on the steps that it takes: of `size` bytes, by default 200 ms,
    and at the end of nothing, as the server takes them if such frames come.
    """
    live, segments = "", []
    with model.stream(mode=mode, fs=fs, **options) as stream:
        steps = [stream.feed(part) for part in frames(pcm, size or fs * 2 // 5)]
        for event in [event for events in (*steps, stream.finish()) for event in events]:
            if event["is_final"]:
                segments.append(event.get("raw_text", event["text"]))
            else:
                live += event["text"]
    return live, segments


class Realtime:
    """A client of ``/v1/realtime``."""

    def __init__(self, url: str, **options: Any) -> None:
        self._opening = open_ws(url, **options)
        self.connection = self._opening.__enter__()
        self.heard: list[dict[str, Any]] = []

    def __enter__(self) -> Realtime:
        return self

    def __exit__(self, *_: object) -> None:
        self._opening.__exit__(None, None, None)

    def send(self, kind: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": kind, **fields}))

    def update(self, **heard: Any) -> dict[str, Any]:
        """Set fields of `audio.input`; returns the session."""
        self.send("session.update", session={"type": "transcription", "audio": {"input": heard}})
        return dict(self.wait("session.updated")["session"])

    def append(self, data: bytes, size: int = 24000) -> None:
        for frame in frames(data, size):
            self.send("input_audio_buffer.append", audio=base64.b64encode(frame).decode())

    def next(self) -> dict[str, Any]:
        """The next event."""
        self.heard.append(json.loads(self.connection.recv(_SECONDS)))
        return self.heard[-1]

    def wait(self, kind: str) -> dict[str, Any]:
        """The next event of a kind; fails on an error that is not asked for."""
        while (event := self.next())["type"] != kind:
            assert event["type"] != "error", event
        return event

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """The events of a kind so far."""
        return (event for event in self.heard if event["type"] == kind)

    @property
    def transcripts(self) -> Sequence[str]:
        """Of the items that are completed so far."""
        kind = "conversation.item.input_audio_transcription.completed"
        return [event["transcript"] for event in self.of(kind)]
