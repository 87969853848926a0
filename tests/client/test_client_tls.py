"""Encrypted servers: certificates that are trusted, unknown, or not looked at."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("websockets", reason="live sessions are websockets")
pytest.importorskip("trustme", reason="trustme signs certificates")
import trustme

from safeasr import ServerUnreachableError
from safeasr.cli.app import run
from safeasr.client import Client
from support.live_acts import END, all_of, says
from support.scripted import Answer, Proxy, ScriptedHttp, ScriptedLive

AUTHORITY = trustme.CA()


@pytest.fixture
def certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=["trusted", "unchecked"])
def verify(request: pytest.FixtureRequest) -> Any:
    if request.param == "unchecked":
        return False
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@pytest.fixture
def http(certificate: ssl.SSLContext) -> Iterator[str]:
    said = Answer(200, b'{"text": "hello"}')
    with ScriptedHttp(said) as server, Proxy(server.port, certificate) as proxy:
        yield f"https://127.0.0.1:{proxy.port}"


@pytest.fixture
def live(certificate: ssl.SSLContext) -> Iterator[str]:
    with ScriptedLive(says(END)) as server, Proxy(server.port, certificate) as proxy:
        yield f"wss://127.0.0.1:{proxy.port}"


def test_certificates(http: str, live: str, verify: Any) -> None:
    assert Client(http, verify=verify).transcribe(b"x").text == "hello"
    assert all_of(live, client={"verify": verify}) == []


@pytest.mark.usefixtures("no_pauses")
def test_unknown_certificates(http: str, live: str) -> None:
    with pytest.raises(ServerUnreachableError, match="certificate"):
        Client(http).transcribe(b"x")
    with pytest.raises(ServerUnreachableError, match="certificate"):
        all_of(live)


def test_on_the_command_line(http: str, tmp_path: Any, capsys: Any) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    assert run(["transcribe", "--server", http, "--insecure", str(tmp_path / "a.wav")]) == 0
    assert capsys.readouterr().out == "hello\n"
