"""The client in processes: without torch, across forks, interrupted, left open."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="uvicorn runs the server")
pytest.importorskip("websockets", reason="live sessions are websockets")

from support.serving import Server


def test_it_needs_no_torch(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
    demo_server: Server,
    recording: Path,
) -> None:
    script = """
import json, sys
from safeasr.client import Client
assert "websockets" not in sys.modules
with Client(sys.argv[1]) as client:
    text = client.transcribe(sys.argv[2]).text
    with client.live() as session:
        session.send(bytes(32000))
        session.finish()
        list(session)
heavy = {"torch", "scipy", "soundfile", "av", "funasr"} & set(sys.modules)
print(json.dumps([text, sorted(heavy)]))
"""
    done = run_python(script, demo_server.url, recording)
    assert done.returncode == 0, done.stderr
    text, heavy = json.loads(done.stdout)
    assert text.startswith("Hello, play next")
    assert heavy == []


def test_forks(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
    demo_server: Server,
    recording: Path,
) -> None:
    """A client may be used on both sides of a fork; a session stays where it was opened."""
    script = """
import os, sys
from safeasr import ForkedProcessError
from safeasr.client import Client
client = Client(sys.argv[1])
text = client.transcribe(sys.argv[2]).text
session = client.live().__enter__()
session.send(bytes(32000))
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        try:
            session.send(bytes(320))
            os._exit(2)
        except ForkedProcessError:
            pass
        session.close()
        assert client.transcribe(sys.argv[2]).text == text
        with client.live() as own:
            own.send(open(sys.argv[2], "rb").read()[:0])
            own.finish()
            assert list(own) == []
        os._exit(0)
    children.append(child)
assert client.transcribe(sys.argv[2]).text == text
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
session.finish()
assert not any(event.text for event in session)
session.close()
print("done")
"""
    done = run_python(script, demo_server.url, recording)
    assert done.stdout == "done\n", done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("where", ["iterate", "send", "transcribe"])
def test_ctrl_c(
    start_python: Callable[..., subprocess.Popen[str]], demo_server: Server, where: str
) -> None:
    """It ends what waits, and the process, without a trace of what was left open."""
    script = """
import sys, socket
from safeasr.client import Client
silent = socket.create_server(("127.0.0.1", 0))
client = Client(sys.argv[1])
session = client.live(keep_s=5.0)
session.__enter__()
def iterate():
    for _ in session: pass
def send():
    while True: session.send(bytes(3200000))
def transcribe():
    Client(f"http://127.0.0.1:{silent.getsockname()[1]}").transcribe(b"x")
print("waiting", flush=True)
try:
    globals()[sys.argv[2]]()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = start_python(script, demo_server.url, where)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.3)  # it is about to wait
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)


def test_a_program_that_leaves_its_sessions_open(
    run_python: Callable[..., subprocess.CompletedProcess[str]], demo_server: Server
) -> None:
    script = """
import sys
from safeasr.client import Client
sessions = [Client(sys.argv[1]).live().__enter__() for _ in range(5)]
for session in sessions:
    session.send(bytes(64000))
"""
    done = run_python(script, demo_server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
