"""Where threads are greenlets: gevent, eventlet, and gunicorn's workers of them."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from support.processes import child_environment

#: Everything that waits, with a greenlet beside it that must go on meanwhile.
PROGRAM = """
{patch}
import threading, time
import numpy as np
import soundfile
import safeasr
from pathlib import Path
from safeasr import AutoModel

{late_patch}
folder = Path(safeasr.__file__).parent / "models"
clip, _ = soundfile.read(folder / "demo" / "audio" / "07.flac", dtype="float32")
talk, _ = soundfile.read(folder / "demo-streaming" / "audio" / "conversation.flac", dtype="float32")
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)

threading.Thread(target=tick, daemon=True).start()
model = AutoModel("demo", vad_model="demo-vad", online_model="demo-streaming", queue_size=2,
                  disable_pbar=True)
plain = AutoModel("demo", disable_pbar=True)
expected = plain.generate(clip)[0]["text"]
whole = model.generate(talk)[0]["text"]
assert expected and whole

texts = []
threads = [threading.Thread(target=lambda: texts.append(model.generate(talk)[0]["text"]))
           for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert texts == [whole] * 8, texts
assert ticks > 20, ticks

with model.stream() as stream:
    events = [e for i in range(0, len(talk), 9600) for e in stream.feed(talk[i:i + 9600])]
    events += stream.finish()
    assert any(event["is_final"] and event["text"] for event in events)
with model.stream(mode="online") as stream:
    stream.push(talk[:48000], True)
    assert isinstance(list(stream), list)

called = []
future = plain.submit([clip] * 3)
future.add_done_callback(called.append)
assert [r["text"] for r in future.result(30)] == [expected] * 3
while not called:
    time.sleep(0.001)
assert not plain.submit(clip).wait(0) or True
try:
    plain.submit(talk).result(0.0001)
except TimeoutError:
    pass
model.close()
plain.close()
print("answered", flush=True)
"""
PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}


@pytest.mark.parametrize("late", [False, True], ids=["patched first", "patched after the import"])
@pytest.mark.parametrize("library", PATCHES)
@pytest.mark.slow
def test_everything_answers(
    run_python: Callable[..., subprocess.CompletedProcess[str]], library: str, late: bool
) -> None:
    pytest.importorskip(library)
    patch = PATCHES[library]
    script = PROGRAM.format(patch="" if late else patch, late_patch=patch if late else "")
    done = run_python(script)
    assert done.stdout.strip() == "answered", done.stderr


SERVICE = """
from safeasr import AutoModel
import json, soundfile, safeasr
from pathlib import Path

folder = Path(safeasr.__file__).parent / "models"
talk, _ = soundfile.read(folder / "demo-streaming" / "audio" / "conversation.flac", dtype="float32")
model = AutoModel("demo", vad_model="demo-vad", disable_pbar=True)

def app(environ, start_response):
    body = json.dumps(model.generate(talk, key="k")).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""


@pytest.mark.parametrize("worker", ["gevent", "gthread"])
def test_gunicorn(tmp_path: Path, own_cache: Path, worker: str) -> None:
    pytest.importorskip("gunicorn")
    if worker == "gevent":
        pytest.importorskip(worker)
    (tmp_path / "service.py").write_text(SERVICE)
    command = [sys.executable, "-m", "gunicorn", "-k", worker, "-w", "1", "--threads", "4",
               "-t", "30", "-b", "127.0.0.1:0", "service:app"]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=child_environment(), stdout=log, stderr=log
        )
    try:
        address = _address(process, tmp_path / "log")
        answers = set()
        for _ in range(3):
            with urllib.request.urlopen(address, timeout=60) as response:
                answers.add(response.read())
        assert len(answers) == 1
        assert b"text" in answers.pop()
    finally:
        process.terminate()
        assert process.wait(30) == 0, (tmp_path / "log").read_text()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for line in log.read_text().splitlines():
            if "Listening at: " in line:
                return line.split("Listening at: ")[1].split()[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())
