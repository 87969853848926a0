"""The target for FunASR's websocket protocol, against stand-ins for all of its servers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets import funasr_ending
from safeasr.bench.targets.audio_bytes import pcm16
from safeasr.bench.targets.base import Answer, Event, Options, RefusedError, TargetError
from safeasr.bench.targets.failures import BadAnswerError, RequestError, TimedOutError
from safeasr.bench.targets.funasr_ending import Ending
from safeasr.bench.targets.funasr_ws import FunasrWs
from support.bench_servers import Behaviour, recognised
from support.bench_ws_servers import PIECE, SENTENCE, FunasrServer

DIALECTS = ("cpp", "cpp-offline", "python", "python-old", "ours")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("QUIET_S", 0.5), ("LOOK_S", 0.4), ("FIRST_S", 1.0)):
        monkeypatch.setattr(funasr_ending, name, seconds)


def clip(number: int = 0, seconds: float = 4.0, **options: Any) -> Clip:
    samples = np.random.default_rng(number).uniform(-0.5, 0.5, int(16000 * seconds))
    return Clip(f"clip {number}", samples.astype(np.float32), options=options)


def pieces(one: Clip, length: int) -> list[str]:
    pcm = pcm16(one.samples)
    return [recognised(pcm[at : at + length]) for at in range(0, len(pcm), length)]


async def speak(
    target: FunasrWs, one: Clip, samples: int = 9600, copied: bool = False
) -> tuple[Answer, list[Event]]:
    """A live session, as fast as it goes."""
    events: list[Event] = []
    session = await target.session(one, events.append)
    for at in range(0, len(one.samples), samples):
        piece = one.samples[at : at + samples]
        await session.send(piece.copy() if copied else piece, at + samples >= len(one.samples))
    return await session.answer(), events


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.asyncio
async def test_recordings(dialect: str) -> None:
    with FunasrServer(dialect) as server:
        target = FunasrWs(server.url, Options())
        await target.open()
        server.asked.clear()
        clips = [clip(number, hotword="魔搭 阿里") for number in range(6)]
        answers = await asyncio.gather(*map(target.transcribe, clips))
        whole = dialect == "cpp-offline"
        for one, answer in zip(clips, answers):
            texts = pieces(one, len(one.samples) * 2 if whole else SENTENCE)
            assert answer.text == " ".join(texts) and answer.finals == 1
            assert answer.times[-1][1] == 4000 and len(answer.times) == 2 * len(texts)
        assert {asked["wav_name"] for asked in server.asked} == {one.name for one in clips}
        asked = server.asked[0]
        assert asked["mode"] == "offline" and asked["hotwords"] == "魔搭 阿里"
        assert asked["chunk_size"] == [5, 10, 5] and asked["chunk_interval"] == 1
        await target.close()


@pytest.mark.parametrize("mode", ["2pass", "online", "offline"])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.asyncio
async def test_live_sessions(dialect: str, mode: str) -> None:
    with FunasrServer(dialect) as server:
        target = FunasrWs(server.url, Options(mode=mode))
        await target.open()
        one = clip(7)
        answer, events = await speak(target, one)
        assert answer.finals == 1
        if dialect == "cpp-offline":
            assert answer.text == pieces(one, len(one.samples) * 2)[0]
            return
        online = [event.text.strip() for event in events if event.kind == "partial"]
        sentences = [event.text for event in events if event.kind in ("second", "final")]
        if mode == "online":
            assert answer.text == " ".join(pieces(one, PIECE)) == " ".join(online)
            assert not sentences
        else:
            assert answer.text == " ".join(pieces(one, SENTENCE)) == " ".join(sentences)
        if mode == "2pass":
            assert online == pieces(one, PIECE)[:6]
            assert {event.kind for event in events} == {"partial", "second"}
        assert [event.at for event in events] == sorted(event.at for event in events)
        await target.close()


@pytest.mark.asyncio
async def test_chunks_of_any_length_and_from_anywhere() -> None:
    with FunasrServer("ours") as server:
        target = FunasrWs(server.url, Options())
        await target.open()
        one = clip(2, 3.0)
        expected = " ".join(pieces(one, SENTENCE))
        for samples, copied in ((960, False), (960, True), (7000, False), (48000, True)):
            answer, _ = await speak(target, one, samples, copied)
            assert answer.text == expected
        assert server.asked[-1]["chunk_interval"] == 1
        assert server.asked[-3]["chunk_interval"] == 10
        await target.close()


@pytest.mark.asyncio
async def test_silence_and_nothing_are_answered_with_nothing() -> None:
    for dialect in DIALECTS:
        with FunasrServer(dialect) as server:
            target = FunasrWs(server.url, Options(timeout_s=5))
            await target.open()
            for samples in (32000, 0):
                answer = await target.transcribe(Clip("none", np.zeros(samples, np.float32)))
                assert (answer.text, answer.finals) == ("", 1)
            await target.close()


@pytest.mark.asyncio
async def test_what_the_server_relies_on_is_told() -> None:
    expected = {"cpp": "is_final", "cpp-offline": "one message", "python": "is_end"}
    expected |= {"ours": "is_end", "python-old": "silence"}
    for dialect, words in expected.items():
        with FunasrServer(dialect) as server:
            target = FunasrWs(server.url, Options())
            about = await target.open()
            assert words in about["end of an utterance, 2pass"], dialect
            await target.close()


@pytest.mark.parametrize("dialect", ["cpp", "cpp-offline", "python", "ours"])
@pytest.mark.asyncio
async def test_two_last_messages_are_counted(dialect: str) -> None:
    with FunasrServer(dialect) as server:
        target = FunasrWs(server.url, Options())
        await target.open()
        server.behaviour = Behaviour(double=1)
        assert (await target.transcribe(clip())).finals == 2
        assert (await speak(target, clip()))[0].finals == 2
        await target.close()


@pytest.mark.asyncio
async def test_the_time_of_an_answer_is_its_last_message_not_the_silence_after() -> None:
    with FunasrServer("python-old") as server:
        target = FunasrWs(server.url, Options())
        await target.open()
        answer = await target.transcribe(clip())
        assert answer.done is not None and time.monotonic() - answer.done >= 0.5
        await target.close()


@pytest.mark.asyncio
async def test_errors_have_names() -> None:
    with FunasrServer("ours") as server:
        target = FunasrWs(server.url, Options(timeout_s=1))
        await target.open()

        async def fails(behaviour: Behaviour, kind: str) -> Exception:
            server.behaviour = behaviour
            found: list[Exception] = []
            for call in (target.transcribe(clip()), speak(target, clip())):
                with pytest.raises((RequestError, RefusedError)) as caught:
                    await call
                assert caught.value.kind == kind
                found.append(caught.value)
            return found[-1]

        refused = await fails(Behaviour(refuse=1), "HTTP 503")
        assert isinstance(refused, RefusedError) and refused.retry_after_s == 2
        await fails(Behaviour(fail=1), "inference_error")
        assert isinstance(await fails(Behaviour(bad_json=1), "bad answer"), BadAnswerError)
        await fails(Behaviour(drop=1), "closed 1006")
        assert isinstance(await fails(Behaviour(stall=1), "timeout"), TimedOutError)
        server.behaviour = Behaviour()
        assert (await target.transcribe(clip())).text
        server.die()
        await fails(Behaviour(), "cannot connect")
        with pytest.raises(TargetError, match="cannot connect"):
            await target.open()
        await target.close()


@pytest.mark.asyncio
async def test_a_session_can_be_let_go_at_any_point() -> None:
    with FunasrServer("ours") as server:
        target = FunasrWs(server.url, Options())
        await target.open()
        for chunks in range(3):
            session = await target.session(clip(), lambda _: None)
            for _ in range(chunks):
                await session.send(clip().samples[:9600], False)
            await session.abandon()
            await session.abandon()
        deadline = time.monotonic() + 5
        while server.under_way and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert server.under_way == 0
        await target.close()


@pytest.mark.parametrize("url", ["ws://", "http://x", "ws:///asr"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        FunasrWs(url, Options())
    with pytest.raises(ValueError, match="mode 'office'"):
        FunasrWs("ws://x", Options(mode="office"))


def test_endings_that_come_early_or_late() -> None:
    # A final before the end: the server of style "final" has broken its word, and goes on.
    ending = Ending("final")
    ending.heard({"mode": "2pass-offline", "is_final": True}, 1.0)
    ending.ended(2.0)
    assert ending.patience(9.0) is None
    ending.heard({"mode": "2pass-offline", "is_final": True}, 10.0)
    assert ending.over(10.0) and ending.finals() == 2 and ending.done == 10.0
    # FunASR's Python server says of each sentence that it is final.
    ending = Ending("acknowledged")
    for at in (1.0, 2.0):
        ending.heard({"mode": "2pass-offline", "is_final": True}, at)
    ending.ended(3.0)
    assert ending.patience(100.0) is None
    ending.heard({"mode": "2pass", "is_final": True, "is_end": True}, 4.0)
    assert ending.over(4.0) and ending.finals() == 1
    # One that can tell, and says it twice.
    ending = Ending("acknowledged")
    ending.ended(0.0)
    ending.heard({"mode": "2pass-offline", "is_final": False}, 1.0)
    ending.heard({"mode": "2pass-offline", "is_final": True}, 2.0)
    ending.heard({"mode": "2pass-offline", "is_final": True}, 3.0)
    ending.heard({"mode": "2pass-offline", "is_final": True, "is_end": True}, 4.0)
    assert ending.finals() == 2
