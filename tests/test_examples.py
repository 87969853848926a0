"""The examples, run as a new user would run them."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

import safeasr
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


# -- The service ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service() -> ModuleType:
    pytest.importorskip("fastapi")
    pytest.importorskip("multipart")
    pytest.importorskip("httpx")
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


@pytest.mark.parametrize("error", [safeasr.DeadlineExceededError, asyncio.TimeoutError])
def test_service_gives_up_in_time(
    client: Any, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    async def late(awaitable: Any, _: float) -> None:
        await awaitable
        raise error("late")

    monkeypatch.setattr(asyncio, "wait_for", late)
    assert upload(client, flac()).status_code == 504


def test_service_says_when_it_is_closed(client: Any) -> None:
    client.app.state.model.close()
    assert client.get("/health").status_code == 503
    assert upload(client, flac()).status_code == 503
