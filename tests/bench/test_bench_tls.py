"""Encrypted servers: an authority that is trusted, one that nobody knows, and --insecure."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.audio_bytes import pcm16
from safeasr.bench.targets.base import Options, Target, TargetError
from safeasr.bench.targets.table import make_target
from safeasr.cli.app import run
from support.bench_servers import HttpServer, ServerThread, recognised
from support.bench_ws_servers import FunasrServer

trustme = pytest.importorskip("trustme")

CLIP = Clip("clip", np.random.default_rng(0).uniform(-0.5, 0.5, 16000).astype(np.float32))


class Encrypted(ServerThread):
    """Another server, behind TLS."""

    def __init__(self, server: ServerThread, certificate: trustme.LeafCert) -> None:
        super().__init__()
        self.scheme = f"{server.scheme}s"
        self._behind = server
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, back = await asyncio.open_connection("127.0.0.1", self._behind.port)
        with self.counted():
            await asyncio.gather(self._copy(reader, back), self._copy(behind, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["https", "wss"])
def server(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[Encrypted]:
    plain = HttpServer() if request.param == "https" else FunasrServer("ours")
    with plain, Encrypted(plain, authority.issue_cert("127.0.0.1")) as encrypted:
        yield encrypted


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


async def ask(target: Target) -> str:
    await target.open()
    answer = await target.transcribe(CLIP)
    await target.close()
    return answer.text


@pytest.mark.asyncio
async def test_an_authority_of_ones_own(server: Encrypted, trusted: None) -> None:
    assert await ask(make_target(server.url, Options())) == recognised(pcm16(CLIP.samples))


@pytest.mark.asyncio
async def test_what_nobody_signed_is_taken_if_told_so(server: Encrypted) -> None:
    target = make_target(server.url, Options(insecure=True))
    assert await ask(target) == recognised(pcm16(CLIP.samples))


@pytest.mark.asyncio
async def test_an_unknown_certificate_is_refused_with_what_helps(server: Encrypted) -> None:
    with pytest.raises(TargetError) as refused:
        await make_target(server.url, Options()).open()
    said = str(refused.value)
    assert server.url in said and "certificate" in said
    assert "SSL_CERT_FILE" in said and "--insecure" in said


@pytest.mark.asyncio
async def test_a_certificate_of_another_host_is_refused(
    authority: trustme.CA, trusted: None
) -> None:
    for plain in (HttpServer(), FunasrServer("ours")):
        certificate = authority.issue_cert("elsewhere.test")
        with (
            plain,
            Encrypted(plain, certificate) as encrypted,
            pytest.raises(TargetError, match="certificate"),
        ):
            await make_target(encrypted.url, Options()).open()


def test_the_command_says_so(server: Encrypted, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "-t", server.url, "--limit", "1", "--requests", "2"]
    assert run([*arguments, "--concurrency", "1"]) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert "SSL_CERT_FILE" in said and "--insecure" in said
    assert "Traceback" not in said
