"""However the program ends, no process of a guarded model stays; forks and Ctrl-C are as usual."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.guarded import alive
from support.waiting import until

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]
TROUBLE = ("Traceback", "FATAL", "Fatal", "terminate", "Segmentation", "core dumped")

BEGIN = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import safeasr
from pathlib import Path
from support.guarded import CLIP, processes_of, quick_funasr, toy
with quick_funasr():
    model = toy(Path(sys.argv[1]), isolation="process", workers=2)
pids = processes_of(os.getpid())
assert len(pids) == 2
print(*pids, flush=True)
"""
BUSY = """
futures = [model.submit(CLIP, seconds=0.2) for _ in range(20)]
for _ in range(4):
    threading.Thread(target=lambda: [f.exception() for f in futures], daemon=True).start()
time.sleep(0.1)
"""
ENDS = {
    "idle": "",
    "busy": BUSY,
    "closed": BUSY + "model.close(drain=False)\n",
    "drained": BUSY + "model.close()\nassert all(f.result(0) for f in futures)\n",
    "forgotten": "del model\n",
    "error": BUSY + "raise SystemExit(3)\n",
    "at once": BUSY + "os._exit(3)\n",
    "killed": BUSY + "os.kill(os.getpid(), signal.SIGKILL)\n",
}


SLOW = ("idle", "busy", "closed", "drained", "forgotten", "error", "at once")


@pytest.mark.parametrize(
    "end", [pytest.param(end, marks=[pytest.mark.slow] * (end in SLOW)) for end in ENDS]
)
def test_no_orphan(run_python: Run, toy_dir: Path, end: str) -> None:
    done = run_python(BEGIN + ENDS[end], toy_dir)
    pids = [int(one) for one in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    assert not [word for word in TROUBLE if word in done.stderr], done.stderr
    expected = {"error": 3, "at once": 3, "killed": -signal.SIGKILL}.get(end, 0)
    assert done.returncode == expected, done.stderr
    until(lambda: not any(map(alive, pids)))


FORK = """
def refused(call):
    try:
        call()
    except safeasr.ForkedProcessError as error:
        return "fork" in str(error)
    return False

running = model.submit(CLIP, seconds=1.0)
pid = os.fork()
if pid == 0:
    checks = [
        refused(lambda: model.generate(CLIP)),
        refused(lambda: model.submit(CLIP)),
        refused(lambda: running.result(30)),
    ]
    model.close()
    print("child", checks, flush=True)
    sys.exit(0 if all(checks) else 1)
_, status = os.waitpid(pid, 0)
assert running.result(30) and model.generate(CLIP)
print("parent", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
def test_fork(run_python: Run, toy_dir: Path) -> None:
    done = run_python(BEGIN + FORK, toy_dir)
    assert "parent 0" in done.stdout, done.stdout + done.stderr
    assert not [word for word in TROUBLE if word in done.stderr], done.stderr


CTRL_C = """
try:
    print("waits", flush=True)
    model.generate(CLIP, seconds=5.0)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert processes_of(os.getpid())  # Ctrl-C is for the program, not for its models
print(bool(model.generate(CLIP)), flush=True)
"""


def test_ctrl_c(start_python: Start, toy_dir: Path) -> None:
    """As of a terminal: the whole group of the program hears of it."""
    process = start_python(BEGIN + CTRL_C, toy_dir)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.stdout.readline() == "waits\n"
        os.kill(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert out.split() == ["interrupted", "True"], error
    assert process.returncode == 0, error


GREEN = """
import gevent
ticks = []
def tick():
    while True:
        gevent.sleep(0.01)
        ticks.append(1)
gevent.spawn(tick)
calls = [gevent.spawn(model.generate, CLIP, beam_size=n, seconds=0.05) for n in range(8)]
gevent.joinall(calls)
assert all(f"beam={n} " in one.value[0]["text"] for n, one in enumerate(calls))
assert len(ticks) > 3  # the others went on meanwhile
try:
    model.generate(CLIP, act="crash")
except safeasr.WorkerCrashedError:
    print("crashed", flush=True)
assert model.generate(CLIP)
model.close()
"""


@pytest.mark.slow
def test_greenlets(run_python: Run, toy_dir: Path) -> None:
    pytest.importorskip("gevent")
    done = run_python("from gevent import monkey; monkey.patch_all()" + BEGIN + GREEN, toy_dir)
    assert done.stdout.split()[-1] == "crashed", done.stderr
    assert done.returncode == 0, done.stderr


HANDLER = """
import collections
outcomes = collections.Counter()
def handler(*_):
    try:
        outcomes["answered"] += bool(model.generate(CLIP, timeout=20))
    except safeasr.InterruptedCallError:
        outcomes["refused"] += 1
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
for _ in range(200):
    assert model.generate(CLIP)
signal.setitimer(signal.ITIMER_REAL, 0)
assert outcomes["answered"]
model.close()
print("done", flush=True)
"""


@pytest.mark.slow
def test_calls_from_signal_handlers(run_python: Run, toy_dir: Path) -> None:
    """Each is answered, or told that it interrupted what it needs; nothing hangs."""
    done = run_python(BEGIN + HANDLER, toy_dir)
    assert done.stdout.split()[-1] == "done", done.stderr
