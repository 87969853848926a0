"""A number of places that pipelines take in turn: never more, and none is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from safeasr import AudioError, AutoModel
from safeasr.calls.promise import Promise
from safeasr.pipeline.places import Places
from safeasr.pipeline.steps import SideRun, Steps
from support.vad import conversation

COUNT = 3


def test_never_more_and_none_is_lost() -> None:
    """From 8 threads, with runs that are cancelled while they wait and while they have a place."""
    places = Places(COUNT)
    inside: list[int] = []
    most: list[int] = []
    ended: list[int] = []

    def steps(number: int, done: Promise) -> Steps:
        yield from places.take()
        with places.held() as place:
            inside.append(number)
            most.append(len(inside))
            try:
                yield done
                ended.append(number)
            finally:
                inside.remove(number)
            if number % 2:
                place.give_back()  # before the end, and at the end no more

    def work(seed: int) -> None:
        order = random.Random(seed)
        for i in range(60):
            done = Promise()
            run = SideRun(steps(1000 * seed + i, done))
            run.begin()
            time.sleep(order.random() / 500)
            if order.random() < 0.4:
                run.cancel()
            done.resolve(None)
            assert run.wait(60)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    end = time.monotonic() + 60
    while inside and time.monotonic() < end:
        time.sleep(0.005)
    assert not inside and ended and max(most) <= COUNT
    assert len(places._free) == COUNT


def test_short_ones_are_read_at_once(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    """However many wait: what cannot be read is raised by ``submit`` itself."""
    model = gated_model(vad_model="demo-vad", queue_size=500)
    clip = conversation(3, seed=1)
    futures = [model.submit(clip) for _ in range(100)]
    with pytest.raises(AudioError, match="names no file"):
        model.submit("/nowhere/a.wav")
    gate.open()
    assert len({future.result(60)[0]["text"] for future in futures}) == 1
