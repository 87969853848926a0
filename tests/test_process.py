"""Fork, exit, Ctrl-C, garbage collection: what ends must end, and cleanly."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.programs import Gate, gated_bundle

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

#: Words that no process may leave behind.
TROUBLE = ("Traceback", "FATAL", "Fatal", "terminate", "Segmentation", "core dumped", "deadlock")

FORK = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
import safeasr
from support.audio import speech
from support.programs import Gate
from pathlib import Path
clip = speech(1.0)
model = safeasr.AutoModel(model=sys.argv[1], num_workers=2, disable_pbar=True)
gate = Gate(Path(sys.argv[2]))
gated = safeasr.AutoModel(model=sys.argv[3], num_workers=1, disable_pbar=True)
expected = model.generate(clip)[0]["text"]
finished, unfinished = model.submit(clip), gated.submit(clip)
finished.add_done_callback(lambda f: None)
finished.result()

def refused(call):
    try:
        call()
    except safeasr.ForkedProcessError as error:
        return "fork" in str(error)
    return False

pid = os.fork()
if pid == 0:
    begin = time.monotonic()
    checks = [
        refused(lambda: model.submit(clip)),
        refused(lambda: model.generate(clip, timeout=30)),
        refused(lambda: unfinished.result(30)),
        refused(lambda: unfinished.wait(30)),
        refused(lambda: finished.result(30)),
        time.monotonic() - begin < 10,
    ]
    # After the fork a new model works, callbacks too.
    with safeasr.AutoModel(model=sys.argv[1], num_workers=1, disable_pbar=True) as own:
        called = []
        future = own.submit(clip)
        future.add_done_callback(called.append)
        checks.append(future.result(30)[0]["text"] == expected)
        while not called:
            time.sleep(0.01)
    model.close()
    print("child", checks, flush=True)
    sys.exit(0 if all(checks) else 1)  # a normal exit: atexit and destructors run
_, status = os.waitpid(pid, 0)
gate.open()
print("parent", os.waitstatus_to_exitcode(status), model.generate(clip)[0]["text"] == expected,
      unfinished.result(30)[0]["text"] == expected)
"""


@pytest.fixture
def gated(model_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A gate's file and a bundle that waits for it."""
    gate = Gate(tmp_path / "gate")
    return gate.path, gated_bundle(model_dir, tmp_path / "gated", gate.path)


def assert_clean(output: str) -> None:
    assert not [word for word in TROUBLE if word in output], output


def test_fork(run_python: Run, model_dir: Path, gated: tuple[Path, Path]) -> None:
    done = run_python(FORK, model_dir, *gated)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "parent 0 True True" in done.stdout
    assert_clean(done.stderr)


EXIT = """
import sys, threading, time, warnings
warnings.simplefilter("ignore")
import safeasr
from support.audio import speech
clip = speech(5.0)
model = safeasr.AutoModel(model=sys.argv[1], num_workers=2, queue_size=2000, disable_pbar=True)
futures = [model.submit(clip) for _ in range(1000)]

def wait(future):
    try:
        future.result()
    except safeasr.EngineClosedError:
        pass

def busy():
    try:
        while True:
            model.generate(clip)
    except safeasr.EngineClosedError:
        pass

kind = sys.argv[2]
for index in range(8):
    threading.Thread(target=wait, args=(futures[-1 - index],), daemon=kind == "daemon").start()
    if kind != "forgotten":
        threading.Thread(target=busy, daemon=True).start()
    futures[500 + index].add_done_callback(lambda f: f.exception())
time.sleep(0.05)
if kind == "error":
    model.close(drain=False)
    sys.exit(3)
if kind == "forgotten":
    del model, futures
print("main ends", flush=True)
"""


@pytest.mark.parametrize("kind", ["daemon", "waited for", "error", "forgotten"])
@pytest.mark.slow
def test_exit_with_work_in_flight(run_python: Run, model_dir: Path, kind: str) -> None:
    """Python waits for threads that are no daemons; everything else must not hold it up."""
    done = run_python(EXIT, model_dir, kind)
    assert done.returncode == (3 if kind == "error" else 0), done.stderr
    assert_clean(done.stderr)


FINALIZER = """
import sys, warnings
warnings.simplefilter("ignore")
import safeasr
kind, path = sys.argv[1:]

class Service:
    def __init__(self):
        self.model = safeasr.AutoModel(model=path, num_workers=1, disable_pbar=True)
    def __del__(self):
        self.model.close()
        print("closed", flush=True)

def serve():
    with safeasr.AutoModel(model=path, num_workers=1, disable_pbar=True) as model:
        yield model

if kind == "cycle":
    service = Service()
    service.me = service
else:
    serving = serve()
    next(serving)
print("main ends", flush=True)
"""


@pytest.mark.parametrize("kind", ["cycle", "generator"])
@pytest.mark.slow
def test_closing_in_a_finalizer_at_exit(run_python: Run, model_dir: Path, kind: str) -> None:
    """The GIL cannot be had back once the interpreter goes: whoever has it must keep it."""
    done = run_python(FINALIZER, kind, model_dir)
    assert done.returncode == 0, done.stderr
    assert "main ends" in done.stdout
    assert_clean(done.stderr)


INTERRUPT = """
import sys, time, warnings
warnings.simplefilter("ignore")
import safeasr
from support.audio import speech
clip = speech(1.0)
where, path, gate = sys.argv[1:]
model = safeasr.AutoModel(model=path, num_workers=1, queue_size=1, max_batch_size=1,
                          disable_pbar=True)
running = model.submit(clip)
while not running.running():
    time.sleep(0.005)
calls = {
    "generate": lambda: model.generate(clip),
    "generate with timeout": lambda: model.generate(clip, timeout=300),
    "result": lambda: running.result(),
    "result with timeout": lambda: running.result(300),
    "exception": lambda: running.exception(),
    "room": lambda: model.generate(clip),
    "close": lambda: model.close(),
}
if where == "room":
    filler = model.submit(clip)
print("ready", flush=True)
try:
    calls[where]()
except KeyboardInterrupt:
    print("interrupted", time.time(), flush=True)
from support.programs import Gate
with open(gate, "r+b") as file:
    file.write(b"\\1")
assert running.result(30)
if where == "room":
    assert filler.result(30)
model.close()
print(*(model.stats()[name] for name in ("submitted", "completed", "cancelled")), flush=True)
"""

#: Where the main thread stands, and what became of the requests: submitted, completed, cancelled.
INTERRUPTED = {
    "generate": "2 1 1",
    "generate with timeout": "2 1 1",
    "result": "1 1 0",
    "result with timeout": "1 1 0",
    "exception": "1 1 0",
    "room": "2 2 0",
    "close": "1 1 0",
}


@pytest.mark.parametrize("where", INTERRUPTED)
@pytest.mark.slow
def test_ctrl_c_arrives(start_python: Start, gated: tuple[Path, Path], where: str) -> None:
    gate, bundle = gated
    process = start_python(INTERRUPT, where, bundle, gate)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", process.communicate(timeout=30)
        time.sleep(0.3)  # until it waits
        sent = time.time()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert_clean(err)
    interrupted, counts = out.splitlines()
    assert interrupted.startswith("interrupted ")
    latency = float(interrupted.split()[1]) - sent
    print(f"Ctrl-C in {where} arrived after {1000 * latency:.0f} ms")
    assert latency < 5
    assert counts == INTERRUPTED[where]


def test_unhandled_ctrl_c_ends_the_process(start_python: Start, gated: tuple[Path, Path]) -> None:
    """As any Python program ends; the worker that still runs does not hold it up for long."""
    gate, bundle = gated
    script = INTERRUPT.replace("except KeyboardInterrupt", "except ZeroDivisionError")
    process = start_python(script, "generate", bundle, gate)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        with gate.open("r+b") as file:  # closing waits for what runs already
            file.write(b"\1")
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert not [w for w in TROUBLE if w in err and w != "Traceback"], err
