"""Everything at once for a while: every answer right, nothing lost, nothing left behind."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import (
    AudioError,
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    QueueFullError,
)
from support.audio import speech

SECONDS = 15
CLIPS = [speech(s, seed=i) for i, s in enumerate([0.05, 0.3, 0.8, 1.5, 2.5, 4.0, 7.0, 12.0])]
BAD: list[Any] = [np.zeros(0, np.float32), "nowhere.wav", np.full(900, np.nan, np.float32), b"odd"]


@pytest.mark.soak
def test_soak(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    model = make_model(num_workers=3, queue_size=24, max_batch_size=8, max_wait_ms=2)
    expected = {
        (i, timed): model.generate(clip, key="k", pred_timestamp=timed)
        for i, clip in enumerate(CLIPS)
        for timed in (False, True)
    }
    files = []
    for index, clip in enumerate(CLIPS):
        files.append(str(tmp_path / f"{index}.wav"))
        soundfile.write(files[-1], clip, 16000, subtype="FLOAT")
    ends: Counter[str] = Counter()
    lock = threading.Lock()
    end_time = time.monotonic() + SECONDS
    threads_before: list[int] = []

    def one_call(rng: random.Random) -> str:
        index, timed = rng.randrange(len(CLIPS)), rng.random() < 0.5
        wanted = expected[index, timed]
        source: Any = files[index] if rng.random() < 0.3 else CLIPS[index]
        options: dict[str, Any] = {"key": "k", "pred_timestamp": timed}
        what = rng.choice(["generate", "list", "submit", "cancel", "deadline", "bad", "bad list"])
        if what == "generate":
            assert model.generate(source, **options) == wanted
        elif what == "list":
            chosen = [rng.randrange(len(CLIPS)) for _ in range(rng.randrange(1, 12))]
            got = model.generate([CLIPS[i] for i in chosen], **options)
            assert got == [expected[i, timed][0] for i in chosen]
        elif what == "submit":
            assert model.submit(source, **options).result(60) == wanted
        elif what == "cancel":
            future = model.submit(source, **options)
            time.sleep(rng.random() * 0.02)
            try:
                assert (future.cancel(), future.result(60)) == (False, wanted)
            except CancelledError:
                return "cancelled"
        elif what == "deadline":
            try:
                assert model.generate(source, timeout=rng.random() * 0.1, **options) == wanted
            except (DeadlineExceededError, QueueFullError) as error:
                return type(error).__name__
        else:
            value = rng.choice(BAD)
            try:
                model.generate([CLIPS[index], value] if what == "bad list" else value, **options)
            except AudioError:
                return "AudioError"
            raise AssertionError(f"{value!r} was accepted")
        return what

    def client(seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < end_time:
            end = one_call(rng)
            with lock:
                ends[end] += 1
                if sum(ends.values()) == 50:
                    threads_before.append(count_threads())

    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(client, seed) for seed in range(16)]
        for one in running:
            one.result(SECONDS + 120)
        threads_after = count_threads()
    assert sum(ends.values()) > 200
    assert {"generate", "list", "submit", "cancelled", "AudioError"} <= set(ends), ends
    assert threads_after <= threads_before[0]
    model.close()
    stats = model.stats()
    assert stats["failed"] == 0
    assert stats["waiting"] == stats["busy_workers"] == 0
    assert stats["submitted"] == stats["completed"] + stats["cancelled"] + stats["expired"]


def count_threads() -> int:
    """Threads of the process, also those that Python does not know."""
    return len(list(Path("/proc/self/task").iterdir()))
