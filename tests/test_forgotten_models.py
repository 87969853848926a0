"""Models that nobody holds any more: they answer what they owe, and leave no threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel
from support.audio import speech


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.slow
def test_100_models_leave_no_threads(make_model: Callable[..., AutoModel], model_dir: Path) -> None:
    clip = speech(0.5)
    expected = make_model().generate(clip)[0]["text"]
    before = threads()
    for index in range(100):
        one = AutoModel(model=str(model_dir), num_workers=3, disable_pbar=True)
        if index % 10 == 0:
            assert one.generate(clip)[0]["text"] == expected
        if index % 2:
            one.close()
        del one
    end = time.monotonic() + 10
    while threads() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert threads() <= before


def test_a_forgotten_model_still_answers(model_dir: Path) -> None:
    results: list[Any] = []
    clip = speech(1.0)

    def use() -> None:
        one = AutoModel(model=str(model_dir), num_workers=1, disable_pbar=True)
        for _ in range(10):
            one.submit(clip).add_done_callback(lambda f: results.append(f.result()[0]["text"]))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    end = time.monotonic() + 30
    while len(results) < 10 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(results) == 10
    assert len(set(results)) == 1
