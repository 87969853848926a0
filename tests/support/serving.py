"""``safeasr serve`` for tests: in a process of its own, or in a thread with a made-up model.

::

    with server("--drain-s", "20") as running:  # the embedded models
        httpx.get(running.url + "/v1/models"); running.ws; running.log(); running.end()

    with app_in_thread(limits=Limits(max_requests=2)) as running:
        running.model.hold()  # see MadeUpModel; running.service.gate, ...
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.made_up_model import MadeUpModel
from support.processes import child_environment
from support.waiting import until

__all__ = ["InThread", "Server", "app_in_thread", "free_port", "server"]


def free_port() -> int:
    """A port of this machine that nobody listens at just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _client(url: str) -> httpx.Client:
    # To read the certificates of authorities would take longer than most tests.
    return httpx.Client(base_url=url, verify=False, timeout=60)


class Server:
    """``safeasr serve`` in a process of its own.

    Attributes:
        port: where it listens.
        process: the process.
        http: a client of it.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, tls: bool) -> None:
        self.process = process
        self.port = port
        self._log = log
        self._scheme = "s" if tls else ""
        self.http = _client(self.url)

    @property
    def url(self) -> str:
        return f"http{self._scheme}://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws{self._scheme}://127.0.0.1:{self.port}"

    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text(errors="replace")

    def is_ready(self) -> bool:
        """Whether it takes work; fails if it has ended."""
        assert self.process.poll() is None, f"the server ended:\n{self.log()}"
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/ready").status_code == 200
        return False

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 120
        while not self.is_ready():
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)  # it needs the processor more than we do

    def tell(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end, and wait; returns its exit status."""
        self.tell(number)
        return self.process.wait(60)


@contextlib.contextmanager
def server(
    *options: str, environment: dict[str, str] | None = None, ready: bool = True
) -> Iterator[Server]:
    """A server on a free port; the embedded models unless options say otherwise.

    Args:
        *options: of ``safeasr serve``.
        environment: variables beside this process's own.
        ready: whether to wait until it takes work.
    """
    port = free_port()
    command = [sys.executable, "-m", "safeasr", "serve", "--port", str(port), *options]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**child_environment(), **(environment or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
                # In the background a shell has its children ignore Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        running = Server(process, port, log, tls="--certificate" in options)
        try:
            if ready:
                running.wait_until_ready()
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(60)


class InThread:
    """The application on uvicorn, in a thread of this process.

    Attributes:
        models: that were made so far; the last one serves.
        app: the application.
        http: a client of it.
        service: what its endpoints share.
    """

    def __init__(self, settings: Any, make: Callable[..., Any]) -> None:
        from safeasr.serve import create_app
        from safeasr.serve.listening import hang_up_on_the_deaf
        from safeasr.serve.shelf import Shelf

        self.models: list[Any] = []
        self._make = make
        self.app = create_app(settings, shelf=Shelf(settings, load=self._made))
        self.service = self.app.state.service
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        hang_up_on_the_deaf([self._socket], settings.limits.send_s)
        self.port = int(self._socket.getsockname()[1])
        self.http = _client(self.url)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._loop = asyncio.new_event_loop()
        self._limits = settings.limits

    @property
    def model(self) -> Any:
        """The model that serves."""
        return self.models[-1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def call(self, function: Callable[[], Any]) -> Any:
        """Run a function on the server's event loop."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def sockets(self) -> int:
        """Connections of any kind that are not closed yet."""
        return len(self._server.server_state.connections)

    def _made(self, **arguments: Any) -> Any:
        self.models.append(self._make(**arguments))
        return self.models[-1]

    def _run(self) -> None:
        import uvicorn

        from safeasr.serve.listening import LimitedHeads

        config = uvicorn.Config(
            self.app,
            http=LimitedHeads,
            ws_max_size=self._limits.max_message_bytes,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
            access_log=False,
            log_config=None,
            lifespan="on",
        )
        self._server = uvicorn.Server(config)
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))

    def start(self) -> None:
        self._thread.start()
        until(lambda: self.service.opened)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server does not end"
        self._loop.close()
        self._socket.close()


@contextlib.contextmanager
def app_in_thread(load: Callable[..., Any] = MadeUpModel, **settings: Any) -> Iterator[InThread]:
    """The application in a thread.

    Args:
        load: makes its models.
        **settings: of ``safeasr.serve.Settings``.
    """
    pytest.importorskip("uvicorn", reason="uvicorn runs the server")
    from safeasr.serve import Settings

    running = InThread(Settings(**settings), load)
    running.start()
    try:
        yield running
    finally:
        for model in running.models:
            if isinstance(model, MadeUpModel):
                model.release()
        running.stop()
