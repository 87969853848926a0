"""What watches over a guarded model's processes where the kernel, or Python, lacks what is used."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from safeasr import AutoModel, WorkerCrashedError
from safeasr.guarded import watchman
from support.guarded import CLIP, alive
from support.waiting import until

#: A guarded model's process that is busy for ever, so that it does not look at its pipes.
CHILD = """
import ctypes, os, time
given = ctypes.CDLL.__getattr__
def without(self, name):
    if name != "prctl":
        return given(self, name)
    print("asked", flush=True)
    {answer}
ctypes.CDLL.__getattr__ = without
from safeasr.guarded import child
child._end_with(os.getppid())
print(os.getpid(), flush=True)
time.sleep(10_000)
"""
PARENT = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), child.stdout.readline(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "answer", ["raise AttributeError(name)", "return lambda *_: -1"], ids=["none", "refused"]
)
def test_without_a_signal_at_the_parents_end(
    answer: str, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """It looks for itself whether whoever started it is there."""
    done = run_python(PARENT, CHILD.format(answer=answer))
    assert done.returncode == -signal.SIGKILL, done.stderr
    asked, pid = done.stdout.split()
    assert asked == "asked"
    until(lambda: not alive(int(pid)))


def _no_such_call(_pid: int) -> int:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_without_handles_of_processes(
    make: Callable[..., AutoModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipes alone tell of an end: by itself, by the watchman, by closing."""
    monkeypatch.setattr(watchman, "GRACE_S", 0.2)
    monkeypatch.setattr(os, "pidfd_open", _no_such_call)
    model = make(isolation="process")

    def pid() -> int:
        found: dict[str, Any] = model.generate(CLIP)[0]
        assert model._by_itself._pool.workers[0].backend._running._handle is None  # type: ignore[union-attr]
        return int(found["pid"])

    pids = [pid()]
    monkeypatch.delattr(os, "pidfd_open")  # as of a Python that was built on an old system
    with pytest.raises(WorkerCrashedError, match="ended by SIGSEGV while it ran the call"):
        model.generate(CLIP, act="segfault")
    pids.append(pid())
    stuck = model.submit(CLIP, act="sleep")
    until(stuck.running)
    assert not stuck.cancel()
    with pytest.raises(WorkerCrashedError, match="nobody waited"):
        stuck.result(60)
    pids.append(pid())
    assert len(set(pids)) == 3 and model.stats()["guarded"]["crashes"] == 2
    model.close()
    until(lambda: not any(map(alive, pids)))
