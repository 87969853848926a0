"""The target for a user's own function or class."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.targets.base import Answer, Event, Options, RefusedError, TargetError
from safeasr.bench.targets.functions import as_answer
from safeasr.bench.targets.python_callable import PythonCallable

CLIP = Clip("clip", np.zeros(1600, np.float32), options={"hotword": "a"})

MODULE = """
import asyncio, threading, time

class QueueFullError(Exception): pass
class Busy(Exception): refused = True

def plain(samples, **options):
    return f"{len(samples)} {options['hotword']} {threading.current_thread().name}"

def slow(samples, **options):
    time.sleep(0.2)
    return {"text": "slow", "timestamp": [[0, 100]]}

async def later(samples, **options):
    await asyncio.sleep(0.01)
    return [{"text": "a"}, {"text": "b"}]

def full(samples, **options): raise QueueFullError("no room\\n")
def busy(samples, **options): raise Busy()
def broken(samples, **options): raise KeyError("x")

class Recogniser:
    made = 0
    def __init__(self): type(self).made += 1
    def __call__(self, samples, **options): return {"text": str(self.made)}
    def session(self, **options): return Speaker()
    def stats(self): return {"queue": 3, "name": "x"}

class Speaker:
    ended = 0
    def __init__(self): self.heard = 0
    def feed(self, samples, last):
        self.heard += len(samples)
        return f"{self.heard}{'.' if last else ' '}"
    def close(self): type(self).ended += 1

class Async(Recogniser):
    async def __call__(self, samples, **options): return "async"

class Unmakeable:
    def __init__(self): raise ValueError("no model")

NUMBER = 1
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "made_up_recogniser.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])
    yield
    sys.modules.pop("made_up_recogniser", None)


async def opened(name: str, **options: Any) -> PythonCallable:
    target = PythonCallable(f"made_up_recogniser:{name}", Options(**options))
    await target.open()
    return target


@pytest.mark.asyncio
async def test_a_function_is_called_with_samples_and_options_in_a_thread() -> None:
    target = await opened("plain")
    answer = await target.transcribe(CLIP)
    assert answer.text.startswith("1600 a safeasr-bench-call")
    assert answer.sent is not None and answer.done is not None and answer.sent <= answer.done
    await target.close()


@pytest.mark.asyncio
async def test_as_many_threads_as_asked_for_and_times_are_those_of_the_call() -> None:
    target = await opened("slow", threads=2)
    began = time.monotonic()
    answers = await asyncio.gather(*(target.transcribe(CLIP) for _ in range(4)))
    assert 0.4 <= time.monotonic() - began < 5
    for answer in answers:
        assert answer.text == "slow" and answer.times == ((0, 100),)
        assert answer.done is not None and answer.sent is not None
        assert 0.2 <= answer.done - answer.sent < 5
    await target.close()


@pytest.mark.asyncio
async def test_async_ones_are_awaited_and_several_results_are_told() -> None:
    target = await opened("later")
    answer = await target.transcribe(CLIP)
    assert (answer.text, answer.finals) == ("a b", 2)
    await target.close()
    target = await opened("Async")
    assert (await target.transcribe(CLIP)).text == "async"
    await target.close()


@pytest.mark.asyncio
async def test_refusals_are_told_from_failures() -> None:
    for name, kind in (("full", "QueueFullError"), ("busy", "Busy")):
        target = await opened(name)
        with pytest.raises(RefusedError) as caught:
            await target.transcribe(CLIP)
        assert caught.value.kind == kind
        await target.close()
    target = await opened("broken")
    with pytest.raises(KeyError):
        await target.transcribe(CLIP)
    with pytest.raises(TargetError, match=r"feed\(samples, last\)"):
        await target.session(CLIP, lambda _: None)
    await target.close()


@pytest.mark.asyncio
async def test_a_class_is_made_once_and_may_take_live_sessions() -> None:
    target = await opened("Recogniser")
    assert {(await target.transcribe(CLIP)).text for _ in range(3)} == {"1"}
    assert await target.stats() == {"queue": 3.0}
    events: list[Event] = []
    threads = set()

    def on_event(event: Event) -> None:
        threads.add(threading.current_thread())
        events.append(event)

    session = await target.session(CLIP, on_event)
    await session.send(CLIP.samples[:600], False)
    await session.send(CLIP.samples[600:], True)
    answer = await session.answer()
    assert (answer.text, answer.finals) == ("600 1600.", 1)
    assert [(event.kind, event.text) for event in events] == [
        ("partial", "600 "),
        ("final", "1600."),
    ]
    assert threads == {threading.current_thread()}
    await session.abandon()
    assert sys.modules["made_up_recogniser"].Speaker.ended == 1
    await target.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [("nothing", "AttributeError"), ("Unmakeable", "no model"), ("NUMBER", "is no function")],
)
@pytest.mark.asyncio
async def test_what_cannot_be_called_is_said_at_once(name: str, words: str) -> None:
    with pytest.raises(TargetError, match=words):
        await opened(name)
    with pytest.raises(TargetError, match="no_such_module"):
        await PythonCallable("no_such_module:x", Options()).open()


def test_what_functions_return() -> None:
    assert as_answer("x") == Answer("x")
    assert as_answer(None) == Answer("")
    assert as_answer(7) == Answer("7")
    assert as_answer({"text": None}) == Answer("")
    assert as_answer([]) == Answer("", finals=0)
    assert as_answer(["a", "b"], 1.0, 2.0) == Answer("a b", (), 2, 1.0, 2.0)
    assert as_answer(Answer("a", finals=3)) == Answer("a", finals=3)
