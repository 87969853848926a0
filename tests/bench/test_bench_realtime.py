"""The target for OpenAI's realtime transcription, against a stand-in."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.audio_bytes import pcm16
from safeasr.bench.targets.base import Answer, Event, Options, RefusedError, TargetError
from safeasr.bench.targets.failures import BadAnswerError, RequestError, TimedOutError
from safeasr.bench.targets.openai_realtime import OpenAIRealtime
from safeasr.resampling import StreamResampler
from support.bench_servers import Behaviour, recognised
from support.bench_ws_servers import SENTENCE, RealtimeServer


def clip(number: int = 0, seconds: float = 2.0, **options: Any) -> Clip:
    samples = np.random.default_rng(number).uniform(-0.5, 0.5, int(16000 * seconds))
    return Clip(f"clip {number}", samples.astype(np.float32), options=options)


def heard_of(one: Clip) -> bytes:
    return pcm16(StreamResampler(16000, 24000)(one.samples, True))


async def speak(target: OpenAIRealtime, one: Clip, step: int) -> tuple[Answer, list[Event]]:
    events: list[Event] = []
    session = await target.session(one, events.append)
    for at in range(0, len(one.samples), step):
        await session.send(one.samples[at : at + step], at + step >= len(one.samples))
    return await session.answer(), events


@pytest.mark.asyncio
async def test_recordings_and_sessions_sound_the_same() -> None:
    with RealtimeServer() as server:
        target = OpenAIRealtime(server.url, Options(model="m"))
        about = await target.open()
        assert about["url"].endswith("/v1/realtime?intent=transcription")
        clips = [clip(number, language="zh", hotword="a b") for number in range(5)]
        answers = await asyncio.gather(*map(target.transcribe, clips))
        for one, answer in zip(clips, answers):
            assert (answer.text, answer.finals) == (recognised(heard_of(one)), 1)
        asked = server.asked[-1]["audio"]["input"]
        assert asked["format"] == {"type": "audio/pcm", "rate": 24000}
        assert asked["turn_detection"] is None
        assert asked["transcription"] == {"model": "m", "language": "zh", "keywords": ["a", "b"]}
        for step in (9600, 701):
            answer, events = await speak(target, clips[0], step)
            assert answer.text == answers[0].text and answer.done is not None
            assert "".join(e.text for e in events if e.kind == "partial").strip() == answer.text
            assert [e.text for e in events if e.kind == "final"] == [answer.text]
        await target.close()


@pytest.mark.asyncio
async def test_the_server_may_look_for_pauses() -> None:
    with RealtimeServer() as server:
        target = OpenAIRealtime(server.url, Options())
        item = SENTENCE * 3 // 2
        # The second ends where the detector has ended an item already.
        for seconds, items in ((4.0, 3), (3.2, 2)):
            one = clip(9, seconds, turn_detection="server_vad")
            pcm = heard_of(one)
            texts = [recognised(pcm[at : at + item]) for at in range(0, len(pcm), item)]
            assert len(texts) == items
            answer, events = await speak(target, one, 9600)
            assert answer.text == " ".join(texts) and answer.finals == 1
            assert [e.text for e in events if e.kind == "final"] == texts
        assert server.asked[-1]["audio"]["input"]["turn_detection"] == {"type": "server_vad"}


@pytest.mark.asyncio
async def test_nothing_is_not_asked_about_and_doubles_are_counted() -> None:
    with RealtimeServer() as server:
        target = OpenAIRealtime(server.url, Options())
        assert (await target.transcribe(clip(seconds=0.0))).text == ""
        server.behaviour.double = 1
        assert (await target.transcribe(clip())).finals == 2


@pytest.mark.asyncio
async def test_errors_have_names() -> None:
    with RealtimeServer() as server:
        target = OpenAIRealtime(server.url, Options(timeout_s=1))
        kinds = [
            (Behaviour(refuse=1), "HTTP 503", RefusedError),
            (Behaviour(fail=1), "inference_error", RequestError),
            (Behaviour(bad_json=1), "bad answer", BadAnswerError),
            (Behaviour(drop=1), "closed 1006", RequestError),
            (Behaviour(stall=1), "timeout", TimedOutError),
        ]
        for behaviour, kind, error in kinds:
            server.behaviour = behaviour
            for call in (target.transcribe(clip()), speak(target, clip(), 9600)):
                with pytest.raises(error) as caught:
                    await call
                assert caught.value.kind == kind
        server.behaviour = Behaviour()
        with pytest.raises(RequestError, match="commit_empty: buffer too small"):
            await target.transcribe(clip(seconds=0.05))
        server.die()
        with pytest.raises(TargetError, match="cannot connect"):
            await target.open()
