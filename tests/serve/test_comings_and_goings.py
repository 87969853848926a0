"""Thousands of clients that come and go leave nothing behind."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from safeasr import AutoModel
from support.raw_sockets import frame, hang_up, raw_ws
from support.serve_clients import Realtime, ask
from support.serving import InThread, app_in_thread
from support.waiting import until

_CLIENTS = 120
_MODES = ("2pass", "online", "offline")


def come_and_go(running: InThread, pcm: bytes, number: int) -> None:
    """Say nothing, hang up in the middle of a word, or say it and hear the last answer."""
    kind = number % 6
    if kind == 0:
        raw_ws(running.port).close()
    elif kind == 1:
        one = raw_ws(running.port)
        one.sendall(frame(pcm))
        hang_up(one)
    elif kind == 2:
        with Realtime(f"{running.ws}/v1/realtime") as client:
            client.append(pcm)
    else:
        ask(running.ws, {"mode": _MODES[kind - 3]}, pcm)


def left_behind(running: InThread) -> int:
    """Blocks of memory that Python has given out, once everybody has left."""
    gate = running.service.gate
    until(lambda: not (gate.connections or gate.utterances or running.sockets()))
    until(lambda: running.model.stats()["streams"]["open"] == 0)
    gc.collect()
    return sys.getallocatedblocks()


@pytest.mark.slow
def test_nothing_is_left_of_clients_that_have_left(own_cache: object, sentence: bytes) -> None:
    pcm = sentence[: 2 * 4000]
    with app_in_thread(load=AutoModel) as running, ThreadPoolExecutor(8) as pool:

        def go() -> int:
            list(pool.map(lambda number: come_and_go(running, pcm, number), range(_CLIENTS)))
            return left_behind(running)

        go()  # caches fill
        before = go()
        # What is kept of a client is a connection and all that hangs on it, dozens of blocks.
        assert go() - before < 2 * _CLIENTS
