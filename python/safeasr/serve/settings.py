"""What a server is told when it starts: its models, its keys, its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["DEMO", "Limits", "Settings"]

#: The models that come with the package, all of what a recording and a live session may ask for.
DEMO: Final[Mapping[str, Any]] = {
    "model": "demo",
    "vad_model": "demo-vad",
    "punc_model": "demo-punc",
    "spk_model": "demo-spk",
    "online_model": "demo-streaming",
}


@dataclass(frozen=True)
class Limits:
    """What clients may take. A limit that is reached is said in the answer.

    Attributes:
        max_upload_bytes: of one uploaded file.
        max_audio_s: the longest recording, and the longest utterance of a live session.
        max_message_bytes: of one websocket message.
        max_buffered_bytes: of the audio that one websocket connection may hand over before it
            says that this is all: recordings are kept in memory up to 8 MiB, then on disk.
        max_kept_bytes: of the audio that all clients together may have handed over and that is not
            answered yet; who brings more gets 503.
        max_requests: recordings that are recognised or wait at a time; more get 503.
        max_requests_of_client: the same, of one API key or, without keys, one address; more get
            429. None: no such limit.
        max_connections: websocket connections at a time; more get 503.
        max_waiting: requests in the engine's queue beyond which no recording is taken on; None:
            until the queue itself is full.
        request_s: the longest that a recording may take from the last byte to the answer.
        upload_s: the longest that an upload may take to arrive.
        idle_s: the longest pause while an upload arrives, or while somebody speaks live.
        rest_s: the longest pause between the utterances of a connection.
        session_s: the longest that a connection may stay.
        send_s: the longest that an answer may wait for a client that does not read.
        drain_s: the longest that live utterances and recordings may go on after SIGTERM.
    """

    max_upload_bytes: int = 256 << 20
    max_audio_s: float = 4 * 3600.0
    max_message_bytes: int = 64 << 20
    max_buffered_bytes: int = 1 << 30
    max_kept_bytes: int = 16 << 30
    max_requests: int = 256
    max_requests_of_client: int | None = None
    max_connections: int = 2000
    max_waiting: int | None = None
    request_s: float = 900.0
    upload_s: float = 600.0
    idle_s: float = 60.0
    rest_s: float = 600.0
    session_s: float = 4 * 3600.0
    send_s: float = 20.0
    drain_s: float = 60.0


@dataclass(frozen=True)
class Settings:
    """A server.

    Attributes:
        models: arguments of ``AutoModel`` by the names under which clients ask for them; the first
            one is what they get who ask for none, or for one of OpenAI's names.
        on_demand: names whose models are loaded when somebody first asks for them.
        api_keys: clients must give one of these; empty: anybody may come.
        limits: see there.
        cors_origins: web pages of these origins may use the server; ("*",): all.
        page: whether `/` is a page to try the server with.
        step_ms: live audio goes to the models in steps of at least so much; smaller ones answer
            sooner and cost more.
        speakers: whether clients of FunASR's protocol hear who speaks without asking for it, where
            a model can tell. It costs more than all else that is done with live audio.
    """

    models: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"demo": DEMO})
    on_demand: frozenset[str] = frozenset()
    api_keys: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    cors_origins: tuple[str, ...] = ()
    page: bool = True
    step_ms: int = 200
    speakers: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if not self.models:
            raise ValueError("a server needs at least one model")
        unknown = self.on_demand - set(self.models)
        if unknown:
            raise ValueError(f"on_demand names no model: {', '.join(sorted(unknown))}")
        if any(not key for key in self.api_keys):
            raise ValueError("an API key cannot be empty")

    @property
    def default_model(self) -> str:
        """The name of the model for those who name none."""
        return next(iter(self.models))
