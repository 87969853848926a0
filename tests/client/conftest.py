"""What tests of the client share: a server with the embedded models, and what they hear."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import safeasr
from safeasr import AutoModel
from safeasr.client import Client
from support.serving import Server, server
from support.two_pass import ended, events_of

DEMO_STREAMING = Path(safeasr.__file__).parent / "models" / "demo-streaming" / "audio"


@pytest.fixture(scope="session")
def demo_server(own_cache: Path) -> Iterator[Server]:
    """``safeasr serve`` without options; for tests that do not end it."""
    pytest.importorskip("uvicorn", reason="uvicorn runs the server")
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def recording() -> Path:
    """17 seconds: four sentences with pauses between them."""
    return DEMO_STREAMING / "conversation.flac"


@pytest.fixture(scope="session")
def samples(recording: Path) -> NDArray[np.int16]:
    """The same, 16 kHz."""
    found, _ = soundfile.read(recording, dtype="int16")
    return np.asarray(found)


@pytest.fixture(scope="session")
def client(demo_server: Server) -> Iterator[Client]:
    """Of that server."""
    with Client(demo_server.url) as one:
        yield one


@pytest.fixture(scope="session")
def library(own_cache: Path) -> Iterator[AutoModel]:
    """The server's models in this process."""
    from safeasr.serve.settings import DEMO

    with AutoModel(**DEMO, disable_pbar=True) as model:
        yield model


@pytest.fixture(scope="session")
def said(library: AutoModel, samples: NDArray[np.int16]) -> list[dict[str, Any]]:
    """What the library says of the recording, live: its sentences."""
    wave = samples.astype(np.float32) / 32768
    return ended(events_of(library, wave))


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries again does so at once."""
    monkeypatch.setattr("safeasr.client.retries._FIRST_S", 0.001)
