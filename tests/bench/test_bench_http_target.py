"""The target for OpenAI's HTTP interface, against a stand-in."""

from __future__ import annotations

import asyncio
import email.utils
import pickle
import time
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.audio_bytes import pcm16, wav
from safeasr.bench.targets.base import Answer, Options, RefusedError, TargetError
from safeasr.bench.targets.failures import (
    BadAnswerError,
    RequestError,
    TimedOutError,
    refusal_or_failure,
    server_error,
)
from safeasr.bench.targets.openai_http import OpenAIHttp
from support.bench_servers import Behaviour, HttpServer, recognised

RANDOM = np.random.default_rng(1)


def clip(number: int = 0, seconds: float = 0.5, **options: Any) -> Clip:
    samples = np.random.default_rng(number).uniform(-0.5, 0.5, int(16000 * seconds))
    return Clip(f"clip {number}", samples.astype(np.float32), options=options)


def text_of(one: Clip) -> str:
    return recognised(pcm16(one.samples))


async def opened(server: HttpServer, **options: Any) -> OpenAIHttp:
    target = OpenAIHttp(server.url, Options(**options))
    await target.open()
    return target


async def outcome(target: OpenAIHttp, one: Clip) -> Answer | Exception:
    try:
        return await target.transcribe(one)
    except Exception as error:
        return error


@pytest.mark.asyncio
async def test_it_says_what_the_server_is_and_brings_its_answers() -> None:
    with HttpServer() as server:
        for url in (server.url, server.url + "/v1", server.url + "/v1/audio/transcriptions"):
            target = OpenAIHttp(url, Options())
            about = await target.open()
            assert about["server"] == "stand-in"
            assert about["models"] == ["stand-in"] and about["model"] == "stand-in"
            assert about["response_format"] == "verbose_json"
            one = clip(
                3, language="zh", hotword="阿里 达摩", keywords=["a", "b"], vad=True, no=None
            )
            answer = await target.transcribe(one)
            assert answer == Answer(text_of(one), ((0, 500),))
            asked = server.asked[-1]
            assert asked["language"] == ["zh"] and asked["hotword"] == ["阿里 达摩"]
            assert asked["keywords"] == ["a", "b"] and asked["vad"] == ["true"]
            assert "no" not in asked
            await target.close()


@pytest.mark.asyncio
async def test_a_server_without_times_is_asked_for_json() -> None:
    with HttpServer(verbose=False) as server:
        target = OpenAIHttp(server.url, Options(model="other"))
        about = await target.open()
        assert about["response_format"] == "json" and "does not list" in about["note"]
        one = clip()
        assert await target.transcribe(one) == Answer(text_of(one))
        assert server.asked[-1]["model"] == ["other"]
        await target.close()


@pytest.mark.asyncio
async def test_hundreds_at_once_get_their_own_answers_and_connections_are_kept() -> None:
    clips = [clip(number, 0.1) for number in range(300)]
    with HttpServer(Behaviour(service_s=0.3)) as server:
        target = await opened(server)
        began = asyncio.get_running_loop().time()
        for _ in range(2):
            answers = await asyncio.gather(*map(target.transcribe, clips))
            assert [a.text for a in answers] == [text_of(one) for one in clips]
        assert asyncio.get_running_loop().time() - began < 30
        # Some are let go where the machine is so slow that they have been idle for long.
        assert server.connections <= 500
        await target.close()


@pytest.mark.asyncio
async def test_a_file_is_sent_as_the_user_has_it() -> None:
    with HttpServer() as server:
        target = await opened(server)
        samples = clip(5).samples
        named = Clip("n", clip(6).samples, encoded=wav(samples), filename='a "b"\r\n.wav')
        assert (await target.transcribe(named)).text == recognised(pcm16(samples))
        await target.close()


@pytest.mark.asyncio
async def test_errors_have_names() -> None:
    with HttpServer() as server:
        target = await opened(server, timeout_s=1)
        server.behaviour.fail = 1
        failed = await outcome(target, clip())
        assert isinstance(failed, RequestError) and failed.kind == "HTTP 500"
        assert failed.message == "it broke\\x1b[2J"
        server.behaviour = Behaviour(refuse=1)
        refused = await outcome(target, clip())
        assert refused == RefusedError("HTTP 503", "full", 2.0)
        server.behaviour = Behaviour(bad_json=1)
        assert isinstance(await outcome(target, clip()), BadAnswerError)
        server.behaviour = Behaviour(drop=1)
        dropped = await outcome(target, clip())
        assert isinstance(dropped, RequestError) and dropped.kind == "disconnected"
        server.behaviour = Behaviour(stall=1)
        late = await outcome(target, clip())
        assert isinstance(late, TimedOutError) and isinstance(late, asyncio.TimeoutError)
        assert late.kind == "timeout"
        server.behaviour = Behaviour()
        assert await outcome(target, clip()) == Answer(text_of(clip()), ((0, 500),))
        server.die()
        dead = await outcome(target, clip())
        assert isinstance(dead, RequestError)
        assert dead.kind in ("cannot connect", "disconnected")
        await target.close()


@pytest.mark.asyncio
async def test_a_share_of_wrong_answers_and_a_full_server() -> None:
    with HttpServer(Behaviour(wrong=0.25)) as server:
        target = await opened(server)
        server.behaviour.counts.clear()
        texts = [(await target.transcribe(clip())).text for _ in range(8)]
        assert texts.count(text_of(clip())) == 6
        server.behaviour = Behaviour(service_s=0.2, capacity=3)
        outcomes = await asyncio.gather(*(outcome(target, clip(n)) for n in range(10)))
        assert sum(isinstance(one, RefusedError) for one in outcomes) == 7
        await target.close()


@pytest.mark.asyncio
async def test_who_cannot_be_asked_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="not an address"):
        OpenAIHttp("http://", Options())
    with HttpServer() as server:
        server.key = "k"
        with pytest.raises(TargetError, match="credentials: no such key"):
            await opened(server)
        target = await opened(server, headers={"Authorization": "Bearer k"})
        with pytest.raises(TargetError, match="live sessions need"):
            await target.session(clip(), lambda _: None)
        await target.close()
        url = server.url
    with pytest.raises(TargetError, match="cannot connect"):
        await OpenAIHttp(url, Options()).open()


@pytest.mark.asyncio
async def test_its_metrics_are_summed_over_labels() -> None:
    pytest.importorskip("prometheus_client")
    with HttpServer() as server:
        target = await opened(server)
        asked = len(server.asked)
        assert await target.stats() == {"requests_total": asked + 1.0, "under_way": 0.0}
        server.die()
        assert await target.stats() == {}
        await target.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"code": "queue_full", "message": "later", "retry_after": 3},
            RefusedError("queue_full", "later", 3.0),
        ),
        ({"code": 429}, RefusedError("HTTP 429")),
        ({"type": "rate_limit_exceeded"}, RefusedError("rate_limit_exceeded")),
        ({"code": "bad\n", "message": "x\x1b"}, RequestError("bad\\n", "x\\x1b")),
        ("words", RequestError("server error", "words")),
    ],
)
def test_errors_in_messages(error: Any, expected: Exception) -> None:
    found = server_error(error)
    assert type(found) is type(expected) and str(found) == str(expected)
    if isinstance(expected, RefusedError):
        assert found == expected
    else:
        assert str(pickle.loads(pickle.dumps(found))) == str(found)


def test_when_to_come_back() -> None:
    soon = email.utils.formatdate(time.time() + 60, usegmt=True)
    for header, expected in ((soon, 60), ("5", 5), ("-1", 0), ("never", None), (None, None)):
        found = refusal_or_failure(503, "", header)
        assert isinstance(found, RefusedError)
        assert found.retry_after_s == (
            expected if expected is None else pytest.approx(expected, abs=3)
        )


def test_samples_of_16_bits_survive() -> None:
    integers = RANDOM.integers(-32768, 32768, 1000).astype("<i2")
    assert pcm16(integers.astype(np.float32) / 32768) == integers.tobytes()
    assert pcm16(np.array([2.0, -2.0], np.float32)) == np.array([32767, -32768], "<i2").tobytes()
