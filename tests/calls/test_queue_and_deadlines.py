"""The queue's limits, and that every request ends exactly once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from safeasr import (
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    Future,
    QueueFullError,
)
from support.audio import speech
from test_future import until

CLIP = speech(1.0)


def fill(model: AutoModel) -> list[Future]:
    """Submit until there is no room; the one worker stands still."""
    futures = [model.submit(CLIP)]
    until(futures[0].running)
    for _ in range(500):
        try:
            futures.append(model.submit(CLIP, timeout=0))
        except QueueFullError:
            return futures
    raise AssertionError("the queue takes any number of requests")


def test_a_full_queue_refuses(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(queue_size=1, max_batch_size=1)
    accepted = fill(model)
    assert len(accepted) == 2, "one runs, and queue_size=1 lets one wait"
    for call in (model.submit, model.generate):
        with pytest.raises(QueueFullError, match=r"full.*1\.5"):
            call(CLIP, timeout=1.5)
    assert not any(f.done() for f in accepted)
    gate.open()
    assert len({f.result(30)[0]["text"] for f in accepted}) == 1
    stats = model.stats()
    assert stats["completed"] == len(accepted)
    assert stats["rejected"] == 3


def test_a_list_that_does_not_fit_is_taken_back(
    gated_model: Callable[..., AutoModel], gate: Any
) -> None:
    model = gated_model(queue_size=4, max_batch_size=1)
    running = model.submit(CLIP)
    until(running.running)
    with pytest.raises(QueueFullError):
        model.submit([CLIP] * 10, timeout=0)
    gate.open()
    assert running.result(30)
    # What had been accepted of the list was cancelled: there is room again.
    assert len(model.generate([CLIP] * 10, timeout=60)) == 10
    model.close()
    stats = model.stats()
    assert stats["cancelled"] == 4
    assert stats["completed"] == 11


def test_who_waits_gets_the_room(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(queue_size=1, max_batch_size=1)
    accepted = fill(model)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(model.generate, CLIP, timeout=60) for _ in range(8)]
        time.sleep(0.05)
        gate.open()
        texts = [w.result(60)[0]["text"] for w in waiting]
    assert set(texts) == {accepted[0].result()[0]["text"]}


def test_a_deadline_passes_in_the_queue(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model(max_batch_size=1)
    running = model.submit(CLIP)
    until(running.running)
    late = model.submit(CLIP, timeout=0.05)
    patient = model.submit(CLIP, timeout=300)
    with pytest.raises(DeadlineExceededError):
        model.generate(CLIP, timeout=0.05)
    time.sleep(0.1)
    gate.open()
    error = late.exception(30)
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error, TimeoutError)
    assert "deadline" in str(error)
    assert running.result(30)[0]["text"] == patient.result(30)[0]["text"]
    model.close()
    stats = model.stats()
    assert stats["completed"] == 2
    # The waiting generate is expired by the engine or cancelled by the caller, whoever is first.
    assert stats["expired"] + stats["cancelled"] == 2


def test_a_deadline_that_passes_while_it_runs(
    gated_model: Callable[..., AutoModel], gate: Any
) -> None:
    model = gated_model()
    with pytest.raises(DeadlineExceededError, match="0 of 1"):
        model.generate(CLIP, timeout=0.1)
    with pytest.raises(DeadlineExceededError):
        model.generate([CLIP] * 3, timeout=0.1)
    gate.open()
    assert model.generate(CLIP, timeout=60)


def test_every_request_ends_exactly_once(make_model: Callable[..., AutoModel]) -> None:
    """32 threads, a small queue, cancels and deadlines at random moments."""
    model = make_model(num_workers=2, queue_size=8, max_batch_size=4)
    expected = {n: model.generate(CLIP[:n])[0]["text"] for n in (4000, 8000, 16000)}
    before = model.stats()
    ends: Counter[str] = Counter()
    callbacks: Counter[int] = Counter()
    lock = threading.Lock()

    def client(seed: int) -> None:
        rng = random.Random(seed)
        for number in range(40):
            length = rng.choice(list(expected))
            timeout = rng.choice([None, 0, 0.002, 0.02, 60])
            try:
                future = model.submit(CLIP[:length], timeout=timeout)
            except (QueueFullError, DeadlineExceededError):
                end = "rejected"  # its time was over before there was room
            else:
                identity = seed * 1000 + number
                future.add_done_callback(lambda _, i=identity: callbacks.update([i]))
                if rng.random() < 0.3:
                    time.sleep(rng.random() * 0.01)
                    future.cancel()
                try:
                    assert future.result(60)[0]["text"] == expected[length]
                    end = "completed"
                except CancelledError:
                    end = "cancelled"
                except DeadlineExceededError:
                    end = "expired"
            with lock:
                ends[end] += 1

    with ThreadPoolExecutor(32) as pool:
        for one in [pool.submit(client, seed) for seed in range(32)]:
            one.result(120)
    model.close()
    stats = model.stats()
    names = ("submitted", "completed", "cancelled", "expired", "rejected", "failed")
    counted = {name: stats[name] - before[name] for name in names}
    assert sum(ends.values()) == 32 * 40
    for name in ("completed", "cancelled", "expired", "rejected"):
        assert counted[name] == ends[name], (name, counted, ends)
    assert counted["failed"] == 0
    assert counted["submitted"] == 32 * 40 - ends["rejected"]
    until(lambda: sum(callbacks.values()) == counted["submitted"])
    assert set(callbacks.values()) == {1}
