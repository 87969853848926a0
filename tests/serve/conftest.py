"""What tests of the server share: a server with the embedded models, the library, speech."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="starlette makes the server")
pytest.importorskip("uvicorn", reason="uvicorn runs the server")

from safeasr import AutoModel
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.serve.settings import DEMO
from support.serve_clients import pcm16
from support.serving import Server, server


@pytest.fixture(scope="session")
def demo_server(own_cache: object) -> Iterator[Server]:
    """``safeasr serve`` without options; for tests that do not end it."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def library(own_cache: object) -> Iterator[AutoModel]:
    """The same models in this process."""
    with AutoModel(**DEMO, disable_pbar=True) as model:
        yield model


@pytest.fixture(scope="session")
def sentence() -> bytes:
    """Four seconds of 16 kHz: one sentence."""
    return next(pcm16(clip.samples) for clip in embedded_clips() if clip.name == "15")


@pytest.fixture(scope="session")
def sentences() -> bytes:
    """17 seconds of 16 kHz: several sentences with pauses."""
    return pcm16(embedded_clips("demo-streaming")[0].samples)
