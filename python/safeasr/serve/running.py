"""A server in this process, until it is told to end: nothing that was taken on is dropped."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from types import FrameType

import uvicorn

from safeasr.serve.application import create_app
from safeasr.serve.listening import LimitedHeads, hang_up_on_the_deaf
from safeasr.serve.service import Service
from safeasr.serve.settings import Settings

__all__ = ["Address", "run"]

_log = logging.getLogger("safeasr.serve")


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        host: a name or address of this machine; "0.0.0.0": all of them.
        port: 0: any that is free.
        certificate: file for TLS, with the chain; None: none.
        key: file of its private key.
        forwarded_from: addresses of proxies whose headers say who the client is; "*": all.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: str | None = None
    key: str | None = None
    forwarded_from: str | None = None


class _Server(uvicorn.Server):
    """Ends when its work has ended.

    Uvicorn would close all websockets the moment it is told to end. So it is told later: after the
    first signal the server takes on nothing more, and what is under way goes on for as long as
    ``drain_s`` allows. A second signal ends it at once.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        self._loop = asyncio.get_running_loop()
        self._service.on_failure = self._end
        await super().serve(sockets)  # type: ignore[arg-type]

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen."""
        await super().startup(sockets)  # type: ignore[arg-type]
        patience_s = self._service.settings.limits.send_s
        for server in self.servers:
            hang_up_on_the_deaf(server.sockets, patience_s)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        if self._service.gate.draining or self._loop is None:
            self.force_exit = sig == signal.SIGINT
            self.should_exit = True
            return
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        gate = self._service.gate
        gate.drain()
        _log.info("ending: %d requests, %d connections", gate.requests, gate.connections)
        self._draining = asyncio.ensure_future(self._when_drained())

    async def _when_drained(self) -> None:
        gate, limits = self._service.gate, self._service.settings.limits
        try:
            await asyncio.wait_for(gate.until_empty(), limits.drain_s)
        except (TimeoutError, asyncio.TimeoutError):
            _log.warning(
                "after %g s %d requests and %d connections are cut off",
                limits.drain_s,
                gate.requests,
                gate.connections,
            )
        self._end()

    def _end(self) -> None:
        self.should_exit = True


def run(settings: Settings, address: Address) -> None:
    """Serve until SIGINT or SIGTERM, and until what is under way then has ended.

    Raises:
        OSError: the address cannot be had.
        SafeASRError: a model cannot be loaded.
    """
    app = create_app(settings)
    service: Service = app.state.service
    limits = settings.limits
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        http=LimitedHeads,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
        proxy_headers=address.forwarded_from is not None,
        forwarded_allow_ips=address.forwarded_from,
        ws_max_size=limits.max_message_bytes,
        # Pings under load end healthy sessions; idle ones end by `idle_s`.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
        access_log=False,
        log_config=None,
        server_header=False,
    )
    _Server(config, service).run()
    if service.failure is not None:
        raise service.failure
