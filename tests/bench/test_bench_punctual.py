"""The event loop that sends requests when they are due."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import threading
import time

import pytest

from safeasr.bench.load.punctual import run_punctually


def test_errors_come_out() -> None:
    async def fail() -> None:
        await asyncio.sleep(0.001)
        raise RuntimeError("no such target")

    with pytest.raises(RuntimeError, match="no such target"):
        run_punctually(fail())


def test_no_timer_is_early() -> None:
    async def sleep() -> None:
        for number in range(1, 60):
            began = time.monotonic()
            await asyncio.sleep(number * 0.0001)
            assert time.monotonic() - began > number * 0.0001 - 1e-6

    run_punctually(sleep())


def test_what_comes_in_wakes_it() -> None:
    """A thread's word, and bytes on a socket, while no timer is due for a long time."""

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        threading.Timer(0.05, loop.call_soon_threadsafe, (told.set_result, (1,))).start()
        assert await asyncio.wait_for(told, 100) == (1,)
        here, there = socket.socketpair()
        here.setblocking(False)
        threading.Timer(0.05, there.send, (b"2",)).start()
        assert await asyncio.wait_for(loop.sock_recv(here, 1), 100) == b"2"
        here.close(), there.close()

    began = time.monotonic()
    run_punctually(wait())
    assert time.monotonic() - began < 50


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11), reason="it is asyncio's own loop"
)
def test_it_asks_for_fractions_of_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epoll would be asked for whole ones."""
    asked: list[float] = []
    wait = select.select

    def noted(read: object, write: object, strange: object, timeout: float) -> object:
        asked.append(timeout)
        return wait(read, write, strange, timeout)  # type: ignore[call-overload]

    async def sleep() -> None:
        await asyncio.sleep(0.0004)

    monkeypatch.setattr(select, "select", noted)
    run_punctually(sleep())
    assert any(0 < timeout <= 0.0004 for timeout in asked)
