"""Models in processes: what crashes, grows or fails to start costs one call, or tells why."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from safeasr import AutoModel, ExportError, OutOfMemoryError, WorkerCrashedError
from safeasr.guarded import watchman
from support.guarded import CLIP, alive, processes_of, quick_funasr, toy, write_toy
from support.waiting import until

Make = Callable[..., AutoModel]


def pid_of(model: AutoModel) -> int:
    found: int = model.generate(CLIP)[0]["pid"]
    return found


def test_it_is_another_process(make: Make) -> None:
    model = make(isolation="process", ncpu=1)
    [found] = model.generate(CLIP)
    assert found["pid"] in processes_of(os.getpid())
    assert pid_of(make()) == os.getpid()


@pytest.mark.parametrize(
    ("act", "how"), [("crash", "ended with the status 7"), ("segfault", "ended by SIGSEGV")]
)
def test_a_crash_costs_one_call(make: Make, act: str, how: str) -> None:
    model = make(isolation="process")
    before = pid_of(model)
    crashing, behind = model.submit(CLIP, act=act), model.submit(CLIP)
    with pytest.raises(WorkerCrashedError, match=how):
        crashing.result(60)
    assert behind.result(60)[0]["pid"] != before
    assert not Path(f"/proc/{before}").exists()
    assert model.stats()["guarded"]["crashes"] == 1


@pytest.mark.parametrize("end", ["close", "crash"])
def test_what_a_model_starts_ends_with_it(make: Make, end: str) -> None:
    model = make(isolation="process")
    pid = pid_of(model)
    model.generate(CLIP, act="start another")
    [other] = processes_of(pid)
    if end == "close":
        model.close()
    else:
        with pytest.raises(WorkerCrashedError):
            model.generate(CLIP, act="crash")
    until(lambda: not alive(other))


def test_what_a_model_prints(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    """The program's standard output may be somebody's data."""
    make(isolation="process").generate(CLIP, act="print")
    out, error = capfd.readouterr()
    assert "the model says something" in error
    assert "the model says something" not in out


def test_killed_from_outside(make: Make) -> None:
    """Between two calls, too: the next one has a new process."""
    model = make(isolation="process")
    os.kill(pid_of(model), signal.SIGKILL)
    found = model.generate([CLIP] * 3, on_error="return")
    assert [type(one.get("error")) for one in found[1:]] == [type(None)] * 2


@pytest.mark.slow
def test_crashes_under_load(make: Make) -> None:
    """32 threads, one call in 50 ends its process: all others are right, and none is lost."""
    before = set(processes_of(os.getpid()))
    model = make(isolation="process", workers=2)

    def one(index: int) -> str:
        wave = np.full(100 + index, 0.5, np.float32)
        act = "crash" if index % 50 == 25 else None
        try:
            [found] = model.generate(wave, key=f"k{index}", act=act, beam_size=index)
        except WorkerCrashedError:
            return "crashed" if act else "wrongly crashed"
        right = f"{len(wave)} {len(wave) / 2:.3f} beam={index} depth=0 memory=[None, [], {{}}, 0]"
        return "right" if (found["key"], found["text"]) == (f"k{index}", right) else str(found)

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(one, range(300)))
    assert {said: found.count(said) for said in set(found)} == {"right": 294, "crashed": 6}
    stats = model.stats()
    assert (stats["completed"], stats["failed"], stats["waiting"]) == (294, 6, 0)
    model.close()
    assert set(processes_of(os.getpid())) == before


@pytest.mark.slow
def test_max_calls(make: Make) -> None:
    model = make(isolation="process", max_calls=2)
    pids = [pid_of(model) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]
    until(lambda: model.stats()["guarded"]["replaced"] == 2)


LIMIT = 700_000_000


@pytest.mark.slow
def test_max_memory_between_calls(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchman, "_LOOK_S", 1e6)
    model = make(isolation="process", max_memory=LIMIT)
    before = pid_of(model)
    assert model.generate(CLIP, grow=LIMIT)[0]["pid"] == before
    assert pid_of(model) != before
    assert model.stats()["guarded"]["replaced"] == 1


@pytest.mark.slow
def test_max_memory_within_a_call(make: Make) -> None:
    model = make(isolation="process", max_memory=LIMIT)
    with pytest.raises(OutOfMemoryError, match="beyond max_memory"):
        model.generate(CLIP, grow=LIMIT, act="sleep")
    assert pid_of(model)


def test_start_that_fails(tmp_path: Path, make: Make) -> None:
    path = write_toy(tmp_path, conf={"fails_to_load": True})
    for isolation in ("thread", "process"):
        with pytest.raises(ExportError, match=r"cannot load .*this model cannot be made") as raised:
            make(path, isolation=isolation)
        assert isinstance(raised.value.__cause__, ValueError)
    notes = getattr(raised.value.__cause__, "__notes__", [""])
    assert "in the model's process" in notes[0]
    assert "guarded_toys.py" in notes[0]


def test_a_process_that_dies_while_it_starts(tmp_path: Path, make: Make) -> None:
    before = set(processes_of(os.getpid()))
    path = write_toy(tmp_path, conf={"dies_while_it_loads": True})
    with pytest.raises(WorkerCrashedError, match="status 9 while it loaded"):
        make(path, isolation="process", workers=2)
    until(lambda: set(processes_of(os.getpid())) == before)


@pytest.mark.slow
def test_a_restart_that_fails(tmp_path: Path) -> None:
    """The calls are told, each for itself; once it is mended, they are answered again."""
    path = write_toy(tmp_path)
    with quick_funasr():
        model = toy(path, isolation="process")
    with model:
        write_toy(tmp_path, conf={"fails_to_load": True})
        with pytest.raises(WorkerCrashedError, match="status 7"):
            model.generate(CLIP, act="crash")
        for _ in range(2):
            with pytest.raises(
                WorkerCrashedError, match=r"cannot be started again.*cannot be made"
            ):
                model.generate(CLIP)
        write_toy(tmp_path)
        assert pid_of(model)
