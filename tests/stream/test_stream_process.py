"""Streams and their process: forked and interrupted while chunks are under way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest

from safeasr import ForkedProcessError
from safeasr.stream.stream import Stream
from support.processes import exit_code_of
from support.slow_pipeline import Slow


def chunk(number: int) -> Any:
    """Samples that name their chunk."""
    return np.full(4, number, np.float32)


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def stream(slow: Slow) -> Generator[Stream, None, None]:
    """A stream of three waiting chunks at most."""
    with Stream(slow.pipeline, max_pending=3) as one:
        yield one
    slow.finish_all()


def test_in_a_forked_child(slow: Slow, stream: Stream) -> None:
    """A chunk is under way: the child would wait for a thread that is not there."""
    stream.submit(chunk(0))
    pid = os.fork()
    if pid == 0:
        refused = 0
        for call in (stream.feed, stream.submit, stream.push, stream.finish):
            try:
                call(chunk(1))
            except ForkedProcessError:
                refused += 1
        try:
            next(stream)
        except ForkedProcessError:
            refused += 1
        os._exit(0 if refused == 5 else 1)
    assert exit_code_of(pid) == 0


INTERRUPT = """
import sys, threading, time
from safeasr.stream.stream import Stream
from support.slow_pipeline import Slow
slow = Slow()
stream = Stream(slow.pipeline)
where = sys.argv[1]
if where in ("wait", "iterate"):
    stream.push([0.0])
print("ready", flush=True)
try:
    {"feed": lambda: stream.feed([1.0]), "wait": lambda: stream.feed([1.0]),
     "iterate": lambda: next(stream), "nothing": lambda: next(stream)}[where]()
except KeyboardInterrupt:
    print("interrupted", flush=True)
if where != "nothing":
    kept = threading.Timer(0.1, lambda: slow.finish("kept"))
    kept.start()
    if where == "iterate":
        print(next(stream), flush=True)
    kept.join()
threading.Timer(0.2, lambda: slow.finish("next")).start()
if where == "nothing":
    stream.push([2.0])
    print(next(stream), flush=True)
else:
    print(stream.feed([2.0]), flush=True)
print(*slow.begun, flush=True)
"""


@pytest.mark.parametrize(
    ("where", "rest"),
    [
        ("feed", ["next", "1 2"]),
        ("wait", ["next", "0 2"]),
        ("iterate", ["kept", "next", "0 2"]),
        ("nothing", ["next", "2"]),
    ],
)
@pytest.mark.slow
def test_ctrl_c(
    start_python: Callable[..., subprocess.Popen[str]], where: str, rest: list[str]
) -> None:
    """It arrives; what waited is taken back, no result is lost, and the stream goes on."""
    process = start_python(INTERRUPT, where)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate(timeout=30)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out.splitlines() == ["interrupted", *rest], err
    assert "Traceback" not in err
