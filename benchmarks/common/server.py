"""`safeasr serve` in a process of its own, for as long as it is measured."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psutil

__all__ = ["Served", "served"]


@dataclass(frozen=True)
class Served:
    """A server that is ready.

    Attributes:
        port: of this machine.
        process: the server's.
    """

    port: int
    process: psutil.Process

    @property
    def url(self) -> str:
        """Of HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def stats(self) -> dict[str, Any]:
        """What it says of itself."""
        found: dict[str, Any] = httpx.get(f"{self.url}/stats").json()
        return found

    def wait(self, holds: Callable[[], bool]) -> None:
        """Until it does; a server that has ended is an error."""
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(httpx.TransportError):
                if holds():
                    return
            time.sleep(0.2)
        raise SystemExit("the server does not run")


@contextlib.contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """A server with these arguments of the command line, without its page."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    command = [sys.executable, "-m", "safeasr", "serve", "--no-page", "--port", str(port)]
    server = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL)
    try:
        found = Served(port, psutil.Process(server.pid))
        found.wait(lambda: httpx.get(f"{found.url}/ready").status_code == 200)
        yield found
    finally:
        server.terminate()
        server.wait()
