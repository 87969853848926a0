"""Downloads where threads are greenlets, after a fork, and over TLS."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from safeasr.errors import AudioError
from safeasr.inputs.download import download
from support.web import WAV, serve

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
#: Slow downloads beside each other and a greenlet that goes on meanwhile.
GREEN = """
{patch}
import sys, threading, time
from safeasr.errors import AudioError
from safeasr.inputs.download import download

address = sys.argv[1]
size = len(download(address + "/a.wav"))
{late_patch}
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)

threading.Thread(target=tick, daemon=True).start()
outcomes = []

def fetch(path):
    try:
        limit = 1.0 if path == "/slow-body" else 30.0
        outcomes.append(len(download(address + path, timeout_s=limit)))
    except AudioError as error:
        outcomes.append("longer than 1 s" in str(error))

paths = ["/slow-body"] * 5 + ["/a.wav"] * 5
threads = [threading.Thread(target=fetch, args=(path,)) for path in paths]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(outcomes, key=str) == [size] * 5 + [True] * 5, outcomes
assert ticks > 20, ticks
print("fetched", flush=True)
"""


@pytest.mark.parametrize(
    ("library", "late"), [("gevent", False), ("gevent", True), ("eventlet", False)]
)
def test_greenlets_wait_beside_each_other(
    run_python: Callable[..., subprocess.CompletedProcess[str]], library: str, late: bool
) -> None:
    pytest.importorskip(library)
    patch = PATCHES[library]
    script = GREEN.format(patch="" if late else patch, late_patch=patch if late else "")
    with serve() as web:
        done = run_python(script, web.url, no_proxy="127.0.0.1")
    assert done.stdout.strip() == "fetched", done.stderr


FORK = """
import os, sys, threading
from safeasr.inputs.download import download

address = sys.argv[1]
expected = download(address + "/a.wav")
stop = threading.Event()

def again():
    while not stop.is_set():
        assert download(address + "/a.wav") == expected

threads = [threading.Thread(target=again) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(8):
    child = os.fork()
    if child == 0:
        os._exit(0 if download(address + "/a.wav") == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
print("fetched", flush=True)
"""


def test_after_a_fork(run_python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    with serve() as web:
        done = run_python(FORK, web.url, no_proxy="127.0.0.1")
    assert done.stdout.strip() == "fetched", done.stderr


def test_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are checked; those that the environment names are trusted."""
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", tmp_path / "key.pem", "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    monkeypatch.setenv("no_proxy", "localhost")
    (tmp_path / "a.wav").write_bytes(WAV)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=os.fspath(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            url = f"https://localhost:{server.server_address[1]}/a.wav"
            monkeypatch.setattr("safeasr.inputs.transport._tls", None)
            with pytest.raises(AudioError, match="certificate"):
                download(url)
            monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate))
            monkeypatch.setattr("safeasr.inputs.transport._tls", None)
            assert download(url) == WAV
        finally:
            server.shutdown()
            thread.join()
