"""The examples, run as a new user would run them."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

import safeasr
from safeasr.calls.promise import Promise
from support.paths import ROOT

EXAMPLES = ROOT / "examples"
DEMO = Path(safeasr.__file__).parent / "models" / "demo"
RUN_FILE = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

needs_demo = pytest.mark.skipif(
    not (DEMO / "model.pt").is_file(), reason="the demo model is not there yet"
)


@pytest.fixture
def run_example(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> Callable[..., str]:
    def run(name: str, *arguments: object) -> str:
        done = run_python(RUN_FILE, EXAMPLES / name, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@needs_demo
def test_threads(run_example: Callable[..., str]) -> None:
    expected = json.loads((DEMO / "audio" / "expected.json").read_text())
    lines = run_example("threads.py").splitlines()
    assert [line.split()[0] for line in lines] == [Path(name).stem for name in sorted(expected)]


@pytest.mark.slow
def test_embed_torchscript(run_example: Callable[..., str]) -> None:
    assert run_example("embed_torchscript.py").startswith("200 embeddings of 192 values")


@needs_demo
def test_demo_without_funasr(
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    hidden = "import sys; sys.modules['funasr'] = None\n" + RUN_FILE
    done = run_python(hidden, EXAMPLES / "demo.py", "--seconds", "0.3")
    assert done.returncode == 0, done.stderr
    assert "FunASR is not installed" in done.stdout
    assert "What safeasr understood" in done.stdout


@pytest.mark.slow
def test_conversation(run_python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    hidden = "import sys; sys.modules['funasr'] = None\n" + RUN_FILE
    done = run_python(hidden, EXAMPLES / "conversation.py")
    assert done.returncode == 0, done.stderr
    assert "FunASR is not installed" in done.stdout
    assert "A: hello, help, please. open, close? | B: yes, open three" in done.stdout


# -- The service ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service() -> ModuleType:
    pytest.importorskip("fastapi")
    pytest.importorskip("multipart")
    spec = importlib.util.spec_from_file_location("service", EXAMPLES / "fastapi_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(service: ModuleType, model_dir: Path) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    with TestClient(service.create_app(model=str(model_dir), disable_pbar=True)) as one:
        yield one


def flac(seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(0).standard_normal(int(16000 * seconds)) * 0.1
    soundfile.write(file, samples, 16000, format="FLAC")
    return file.getvalue()


def upload(client: Any, data: bytes, **query: Any) -> Any:
    return client.post("/transcribe", files={"file": ("speech.flac", data)}, params=query)


def test_service_transcribes(client: Any) -> None:
    expected = client.app.state.model.generate(flac(), output_timestamp=True)[0]
    answer = upload(client, flac(), timestamps=True)
    assert answer.status_code == 200
    assert answer.json() == {**expected, "key": "speech.flac"}


def test_service_reports_health_and_counters(client: Any) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    upload(client, flac())
    assert client.get("/stats").json()["completed"] == 1


def test_service_refuses_what_is_no_audio(client: Any) -> None:
    answer = upload(client, b"fLaC" + b"\0" * 100)
    assert answer.status_code == 422
    assert answer.json()["error"] == "AudioError"


def test_service_limits_uploads(
    client: Any, service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_UPLOAD_BYTES", 100)
    assert upload(client, flac()).status_code == 413


def test_service_sheds_load_when_the_queue_is_full(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise safeasr.QueueFullError("full")

    monkeypatch.setattr(client.app.state.model, "submit", full)
    answer = upload(client, flac())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_service_gives_up_in_time(
    client: Any, service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = Promise()
    future: safeasr.Future[Any] = safeasr.Future([never], never.get)
    monkeypatch.setattr(client.app.state.model, "submit", lambda *_, **__: future)
    monkeypatch.setattr(service, "TIME_LIMIT_S", 0.05)
    answer = upload(client, flac())
    assert answer.status_code == 504
    assert answer.json()["error"] == "TimeoutError"
    assert future.cancelled()


def test_service_says_what_came_too_late(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Promise()
    late.fail(safeasr.DeadlineExceededError("late"))
    future: safeasr.Future[Any] = safeasr.Future([late], late.get)
    monkeypatch.setattr(client.app.state.model, "submit", lambda *_, **__: future)
    assert upload(client, flac()).status_code == 504


@pytest.mark.parametrize(
    "page",
    [b'{"error": "not found"}', b'{"error": "not found."}', b"<html>404</html>", b"", b"\0" * 999],
)
def test_service_takes_no_other_file_for_audio(client: Any, page: bytes) -> None:
    """Bytes of any kind make raw samples; a caller who means such says their rate."""
    assert 400 <= upload(client, page).status_code < 500


def test_service_takes_raw_samples_of_a_stated_rate(client: Any) -> None:
    samples, _ = soundfile.read(io.BytesIO(flac()), dtype="int16")
    answer = upload(client, samples.tobytes(), fs=16000)
    assert answer.status_code == 200
    assert answer.json()["text"] == upload(client, flac()).json()["text"]
    assert upload(client, samples.tobytes(), fs=5).status_code == 422


def test_service_opens_no_files_or_urls(client: Any) -> None:
    for name in (str(DEMO / "audio" / "07.flac"), "http://127.0.0.1:1/a.wav"):
        with pytest.raises(safeasr.NotAllowedError):
            client.app.state.model.generate(name)


class Visitor:
    """A client of an ASGI application that sends a body in pieces, each with a pause before it."""

    def __init__(self, pieces: list[bytes], *, pause: float = 0, more: bool = True) -> None:
        self.left = asyncio.Event()
        self.sent = 0
        self.status = 0
        self._pieces = list(pieces)
        self._pause = pause
        self._more = more

    async def receive(self) -> dict[str, Any]:
        if self._pieces:
            await asyncio.sleep(self._pause)
            piece = self._pieces.pop(0)
            self.sent += len(piece)
            more = bool(self._pieces) or self._more
            return {"type": "http.request", "body": piece, "more_body": more}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = message.get("status", self.status)

    async def post(self, app: Any, **headers: str) -> int:
        given = {"content-type": "multipart/form-data; boundary=xx", **headers}
        scope = {
            "type": "http", "method": "POST", "path": "/transcribe", "raw_path": b"/transcribe",
            "query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": "",
            "server": ("test", 80), "client": ("test", 1),
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
        }  # fmt: skip
        await app(scope, self.receive, self.send)
        return self.status


PART = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def test_service_refuses_large_bodies_while_they_arrive(
    client: Any, service: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_UPLOAD_BYTES", 100_000)
    visitor = Visitor([PART, *[bytes(10_000)] * 1000])
    assert asyncio.run(visitor.post(client.app)) == 413
    assert visitor.sent < 200_000
    for length in ("600000000", "9" * 40):
        stated = Visitor([PART])
        assert asyncio.run(stated.post(client.app, **{"content-length": length})) == 413
        assert stated.sent == 0, "nothing of it was read"


@pytest.mark.parametrize("limit", ["IDLE_S", "UPLOAD_S"])
def test_service_ends_uploads_that_do_not_arrive(
    client: Any, service: ModuleType, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(service, limit, 0.1)
    idle = Visitor([PART], pause=0) if limit == "IDLE_S" else Visitor([PART] * 10_000, pause=0.01)
    assert asyncio.run(asyncio.wait_for(idle.post(client.app), 20)) == 408


def test_service_takes_back_the_work_for_those_who_left(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = Promise()
    future: safeasr.Future[Any] = safeasr.Future([never], never.get)
    submitted = threading.Event()

    def submit(*_: Any, **__: Any) -> safeasr.Future[Any]:
        submitted.set()
        return future

    monkeypatch.setattr(client.app.state.model, "submit", submit)

    async def leave() -> int:
        visitor = Visitor([PART + flac() + b"\r\n--xx--\r\n"], more=False)
        posted = asyncio.ensure_future(visitor.post(client.app))
        while not submitted.is_set():
            await asyncio.sleep(0.005)
        visitor.left.set()
        return await asyncio.wait_for(posted, 20)

    assert asyncio.run(leave()) == 499
    assert future.cancelled()


def test_service_says_when_it_is_closed(client: Any) -> None:
    client.app.state.model.close()
    assert client.get("/health").status_code == 503
    assert upload(client, flac()).status_code == 503
