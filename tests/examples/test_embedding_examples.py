"""The examples of other programs: web frameworks, task queues, notebooks."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

import safeasr
from support.examples import Example, run
from support.paths import ROOT
from support.processes import child_environment
from support.scripted import Answer, ScriptedHttp
from support.serving import free_port
from support.waiting import until

EXAMPLES = ROOT / "examples"
AUDIO = Path(safeasr.__file__).parent / "models" / "demo" / "audio"
EXPECTED = json.loads((AUDIO / "expected.json").read_text())
CLIP = "07.flac"
TEXT = EXPECTED[CLIP]["text"] if isinstance(EXPECTED[CLIP], dict) else EXPECTED[CLIP]


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fastapi_in_twenty_lines() -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("multipart")
    from fastapi.testclient import TestClient

    lines = (EXAMPLES / "fastapi_embedded.py").read_text().split('"""\n', 1)[1].splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 20
    with TestClient(load("fastapi_embedded").app) as client:
        answer = client.post("/transcribe", files={"file": (AUDIO / CLIP).read_bytes()})
        assert answer.json() == {"text": TEXT}


@contextlib.contextmanager
def gunicorn(application: str, *options: str) -> Iterator[str]:
    """The address of a server in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *options]
    process = subprocess.Popen(
        [*command, application], cwd=ROOT, env=child_environment(), stderr=subprocess.PIPE
    )
    url = f"http://127.0.0.1:{port}"

    def listens() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url).status_code == 404
        return False

    try:
        until(listens)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    "options",
    [["--threads", "8"], ["--worker-class", "gevent", "--worker-connections", "100"]],
    ids=["threads", "gevent"],
)
def test_flask_under_gunicorn(options: list[str]) -> None:
    pytest.importorskip("flask")
    pytest.importorskip("gunicorn")
    if "gevent" in options:
        pytest.importorskip("gevent")
    clips = sorted(EXPECTED)[:8] * 3

    with gunicorn("examples.flask_service:app", *options) as url:

        def ask(name: str) -> str:
            files = {"file": (AUDIO / name).read_bytes()}
            return str(httpx.post(f"{url}/transcribe", files=files, timeout=60).json()["text"])

        with ThreadPoolExecutor(24) as pool:
            texts = list(pool.map(ask, clips))
        assert texts[: len(clips) // 3] * 3 == texts
        assert texts[clips.index(CLIP)] == TEXT
        refused = httpx.post(f"{url}/transcribe", files={"file": b"no audio, but words"})
        assert refused.status_code == 422


def test_celery(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("celery")
    monkeypatch.setattr("safeasr.client.retries._FIRST_S", 0.001)
    said = {"text": "hello", "segments": [{"text": "hello", "start": 0, "end": 1, "speaker": "A"}]}
    busy = Answer(503, headers={"Retry-After": "0"})
    with ScriptedHttp(busy, Answer(200, json.dumps(said).encode())) as server:
        monkeypatch.setenv("SAFEASR_URL", server.url)
        tasks = load("celery_tasks")
        tasks.app.conf.task_always_eager = True
        result: dict[str, Any] = tasks.transcribe.delay(str(AUDIO / CLIP), hotwords="a b").get()
        assert result["text"] == "hello"
        assert result["segments"][0]["speaker"] == "A"
        assert len(server.bodies) == 2


def test_celery_tries_again_when_the_client_has_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("celery")
    later = Answer(503, headers={"Retry-After": "3600"})
    with ScriptedHttp(later, later, Answer(200, b'{"text": "hello"}')) as server:
        monkeypatch.setenv("SAFEASR_URL", server.url)
        tasks = load("celery_tasks")
        tasks.app.conf.task_always_eager = True
        assert tasks.transcribe.delay(str(AUDIO / CLIP)).get()["text"] == "hello"
        assert len(server.bodies) == 3


def test_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    book = json.loads((EXAMPLES / "notebook.ipynb").read_text("utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    names: dict[str, Any] = {}
    for number, cell in enumerate(book["cells"]):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "outputs would only grow old"
            names = run(Example(f"notebook.ipynb:{number}", "".join(cell["source"])), **names)
    shown = capsys.readouterr().out
    assert "speaker 1: yes" in shown
    assert f"{CLIP} {TEXT.split()[0].capitalize()} " in shown
    assert "9 calls" in shown
