"""Exporters and log handlers, however slow, hold up no chunk and no other stream."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, EngineClosedError
from safeasr.calls import telling
from safeasr.calls.dispatcher import TELLING
from safeasr.observability import tracing
from safeasr.observability.observer import Observer
from safeasr.pipeline.runs import Runs
from safeasr.stream.stream import Stream
from support.slow_pipeline import Slow
from support.waiting import until

CHUNK = np.zeros(9600, dtype=np.float32)
LOGGER = logging.getLogger("safeasr.requests")


class Handler(logging.Handler):
    """Does something with each record, and knows which threads came."""

    def __init__(self, what: Callable[[], object]) -> None:
        super().__init__()
        self.what, self.threads = what, list[str]()

    def handle(self, record: logging.LogRecord) -> bool:
        self.threads.append(threading.current_thread().name)
        self.what()
        return True


@pytest.fixture
def handler() -> Iterator[Callable[[Callable[[], object]], Handler]]:
    added: list[Handler] = []

    def add(what: Callable[[], object]) -> Handler:
        added.append(Handler(what))
        LOGGER.addHandler(added[-1])
        return added[-1]

    yield add
    for one in added:
        LOGGER.removeHandler(one)


def test_a_slow_exporter_holds_up_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        SimpleSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    exported: list[str] = []

    class Sleepy(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            time.sleep(0.3)
            exported.extend(span.name for span in spans)
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Sleepy()))
    with AutoModel(model="demo-streaming", num_workers=2) as model:

        def feed(stream: Any, times: int) -> float:
            began = time.monotonic()
            for _ in range(times):
                stream.feed(CHUNK)
            return time.monotonic() - began

        streams = [model.stream(key=f"s{i}") for i in range(6)]
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda stream: feed(stream, 1), streams))  # warm
            monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("safeasr"))
            taken = list(pool.map(lambda stream: feed(stream, 3), streams))
        # One exporter's sleeps alone would be 18 x 3 x 0.3 s: three spans for each chunk.
        assert max(taken) < 3.0, taken
        monkeypatch.setattr(tracing, "_tracer", None)
        until(lambda: "safeasr.chunk" in exported or TELLING.waiting == 0)


def test_told_on_a_thread_of_its_own(handler: Callable[..., Handler]) -> None:
    slow, observer = Slow(), Observer("m", slow_s=0.0)
    stream = Stream(slow.pipeline, watch=observer.stream("k"))
    seen = handler(lambda: None)
    first = stream.submit(CHUNK)
    slow.finish("text")
    assert first.result(10) == "text"
    until(lambda: len(seen.threads) == 1)
    assert seen.threads == ["safeasr-telling"]


def test_not_under_the_lock_of_a_stream(handler: Callable[..., Handler]) -> None:
    """A chunk of a closed model is refused while the stream's lock is held."""
    runs, observer = Runs(), Observer("m", slow_s=0.0)
    stream = Stream(Slow().pipeline, runs=runs, watch=observer.stream("k"))
    runs.close(drain=False)
    got: list[str] = []

    def feed_elsewhere() -> None:
        other = threading.Thread(target=lambda: got.append(str(stream.closed or "free")))
        lock = stream._queue._lock
        assert lock.acquire(timeout=10)
        lock.release()
        other.start()
        other.join()

    seen = handler(feed_elsewhere)
    future = stream.submit(CHUNK)
    with pytest.raises(EngineClosedError):
        future.result(10)
    until(lambda: bool(got))
    assert seen.threads == ["safeasr-telling"]


def test_what_is_too_much_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    gate = threading.Event()
    telling.tell_later(lambda: gate.wait(20))
    until(lambda: TELLING.waiting == 0)
    monkeypatch.setattr(telling, "_MOST", 3)
    for i in range(10):
        telling.tell_later(lambda i=i: told.append(i))  # type: ignore[misc]
    gate.set()
    until(lambda: TELLING.waiting == 0)
    until(lambda: len(told) == 3)
    assert told == [0, 1, 2]


def test_one_that_ends_its_thread_ends_nothing() -> None:
    told: list[int] = []

    def leave() -> None:
        raise SystemExit

    telling.tell_later(leave)
    telling.tell_later(lambda: told.append(1))
    until(lambda: told == [1])


def test_the_end_of_the_process_waits_a_little(run_python: Callable[..., Any]) -> None:
    done = run_python(
        "import time\n"
        "from safeasr.calls.telling import tell_later\n"
        "for i in range(100):\n"
        "    tell_later(lambda i=i: (time.sleep(0.2), print(i, flush=True)))\n"
    )
    assert done.returncode == 0, done.stderr
    told = [int(line) for line in done.stdout.split()]
    assert 1 <= len(told) < 60
    assert told == list(range(len(told)))


def test_a_forked_child_tells_what_is_its_own(run_python: Callable[..., Any]) -> None:
    done = run_python(
        "import os, threading, time\n"
        "from safeasr.calls.telling import tell_later\n"
        "gate = threading.Event()\n"
        "tell_later(lambda: gate.wait(20))\n"
        "tell_later(lambda: print('parent', os.getpid() == parent, flush=True))\n"
        "parent, child = os.getpid(), os.fork()\n"
        "if child == 0:\n"
        "    own = threading.Event()\n"
        "    tell_later(own.set)\n"
        "    print('own', own.wait(20), flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
        "gate.set()\n"
    )
    assert done.stdout.split("\n")[:2] == ["own True", "parent True"], done.stdout + done.stderr
