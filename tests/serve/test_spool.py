"""Audio that clients hand over: what all of them together may, and where it is kept."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from safeasr.serve import spool as spool_module
from safeasr.serve.problems import Problem
from safeasr.serve.settings import Limits
from safeasr.serve.spool import Spool, SpoolRoom
from support.serve_clients import ask, frames, open_ws
from support.serving import InThread, app_in_thread
from support.waiting import until


def on_disk(spool: Spool) -> bool:
    return bool(spool._file._rolled)  # type: ignore[attr-defined]


def test_memory_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_IN_MEMORY", 1000)
    monkeypatch.setattr(spool_module, "_ALL_IN_MEMORY", 1500)

    async def write() -> None:
        room = SpoolRoom(Limits())
        first, second, third = room.spool(), room.spool(), room.spool()
        await first.write(b"a" * 900)
        await second.write(b"b" * 500)
        assert not on_disk(first) and not on_disk(second) and room.in_memory == 1400
        await second.write(b"c" * 200)
        assert on_disk(second) and room.in_memory == 900
        await first.write(b"d" * 101)
        assert on_disk(first) and room.in_memory == 0
        await third.write(b"e" * 10)
        assert not on_disk(third) and (room.in_memory, room.kept) == (10, 1711)
        assert second.whole().read() == b"b" * 500 + b"c" * 200
        assert first.whole().read() == b"a" * 900 + b"d" * 101
        for one in (first, second, third, third):
            one.close()
        assert (room.in_memory, room.kept) == (0, 0)

    asyncio.run(write())


def test_all_together_have_a_limit() -> None:
    async def write() -> None:
        room = SpoolRoom(Limits(max_kept_bytes=1000))
        first, second = room.spool(), room.spool()
        await first.write(bytes(600))
        with pytest.raises(Problem) as caught:
            await second.write(bytes(500))
        assert (caught.value.status, caught.value.code) == (503, "server_full")
        assert caught.value.retry_after_s
        first.close()
        await second.write(bytes(500))
        second.close()

    asyncio.run(write())


def kept(running: InThread) -> int:
    return int(running.http.get("/stats").json()["kept_bytes"])


def post(running: InThread, file: bytes) -> httpx.Response:
    return running.http.post("/v1/audio/transcriptions", files={"file": ("a.wav", file)})


def test_clients_of_a_server() -> None:
    """Whoever comes too late is told so; nothing is counted for ever."""
    audio = bytes(range(256)) * 200
    with app_in_thread(limits=Limits(max_kept_bytes=len(audio) + 8000)) as running:
        with open_ws(running.ws) as one:
            one.send('{"mode": "offline"}')
            one.send(audio)
            until(lambda: kept(running) == len(audio))
            found = ask(running.ws, {"mode": "offline"}, *frames(audio))
            assert [m["error"]["code"] for m in found if "error" in m] == ["server_full"]
            assert found[-1]["is_final"] and found[-1]["text"] == ""
            refused = post(running, audio)
            assert refused.status_code == 503 and refused.headers["retry-after"]
            assert refused.json()["error"]["code"] == "server_full"
        until(lambda: kept(running) == 0)
        assert post(running, audio).status_code == 200
        until(lambda: kept(running) == 0)
