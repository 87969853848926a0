"""How live sessions end, with servers of several kinds, and what is no use to repeat."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("websockets", reason="live sessions are websockets")
from websockets.asyncio.server import ServerConnection

from safeasr import BadRequestError, ServerError, ServerTimeoutError, UnauthorizedError
from safeasr.client import Final
from support.bench_ws_servers import FunasrServer
from support.live_acts import all_of, hear_all, says
from support.scripted import Heard, Refusal, ScriptedLive


@pytest.fixture
def soon_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safeasr.client.live.protocol._QUIET_S", 0.2)


@pytest.mark.usefixtures("soon_quiet")
@pytest.mark.parametrize("mode", ["2pass", "online", "offline"])
@pytest.mark.parametrize("dialect", ["cpp", "cpp-offline", "python", "ours"])
def test_servers_with_endings_of_their_own(dialect: str, mode: Any) -> None:
    """Of FunASR's servers; what each says of the same audio is what it says to everyone."""
    if (dialect == "cpp-offline") != (mode == "offline") and dialect.startswith("cpp"):
        pytest.skip("it serves no such sessions")
    rng = np.random.default_rng(0)
    samples = rng.integers(-1000, 1000, 60_000, dtype=np.int16)
    with FunasrServer(dialect) as server:
        events = all_of(server.url, samples, mode=mode)
        finals = [one for one in events if isinstance(one, Final)]
        pcm = samples.tobytes()
        sentences = [pcm] if mode == "offline" and dialect == "cpp-offline" else []
        if mode == "online":
            assert len(finals) == 1
            assert len(finals[0].text.split()) > 4
            return
        sentences = sentences or [pcm[at : at + 51200] for at in range(0, len(pcm), 51200)]
        assert [one.text for one in finals] == [server.behaviour.text(one) for one in sentences]


@pytest.mark.usefixtures("soon_quiet")
def test_a_server_that_hangs_up_after_its_last_word() -> None:
    async def act(connection: ServerConnection, heard: Heard) -> None:
        await hear_all(connection, heard)
        last = {"mode": "2pass-offline", "text": "bye", "is_final": True}
        await connection.send(json.dumps(last))

    with ScriptedLive(act) as server:
        assert all_of(server.url) == [Final("bye")]


def test_a_server_that_never_says_its_last_word() -> None:
    with ScriptedLive(says({"mode": "2pass-online", "text": "one"})) as server:
        url = server.url
        with pytest.raises(ServerTimeoutError):
            all_of(url, client={"timeout": 0.2})


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (Refusal(401, body='{"error": {"message": "a key"}}'), UnauthorizedError),
        (Refusal(400), BadRequestError),
        (says({"error": {"code": "mode_unavailable", "message": "no"}}), BadRequestError),
        (says({"error": {"code": "invalid_audio"}, "is_final": True}), BadRequestError),
        (says({"mode": 5, "timestamp": "no"}), ServerError),
    ],
)
def test_what_is_no_use_to_repeat(act: Any, kind: type[ServerError]) -> None:
    with ScriptedLive(act) as server:
        with pytest.raises(kind):
            all_of(server.url)
        assert server.handshakes <= 2


def test_a_server_of_another_protocol() -> None:
    with ScriptedLive(Refusal(200, body="a page")) as server, pytest.raises(ServerError):
        all_of(server.url)
