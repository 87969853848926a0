"""Live sessions and ``safeasr serve`` where lines break and replicas die."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("uvicorn", reason="uvicorn runs the server")
pytest.importorskip("websockets", reason="live sessions are websockets")

from safeasr.client import Client, Event, Final, Partial, Reconnected
from support.scripted import Proxy
from support.serving import Server, server
from support.waiting import until

Samples = NDArray[np.int16]


def text_of(said: list[dict[str, Any]]) -> list[str]:
    return [one["text"].strip() for one in said]


class Speaker:
    """Speaks a recording into a session, a piece at a time."""

    def __init__(self, session: Any, samples: Samples) -> None:
        self._session = session
        self._pieces = iter(np.array_split(samples, 171))  # 100 ms each
        self.events: list[Event] = []

    def speak_into_the_second_sentence(self) -> None:
        """Go on until one sentence has ended and another has begun, and wait to hear so."""
        for _ in range(68):
            self._session.send(next(self._pieces))
        until(self._heard_some)

    def _heard_some(self) -> bool:
        self.events += self._session.ready()
        return bool(self.finals) and isinstance(self.events[-1], Partial)

    def speak_to_the_end(self) -> None:
        """All the rest."""
        for piece in self._pieces:
            self._session.send(piece)
        self._session.finish()
        self.events += self._session

    @property
    def finals(self) -> list[Final]:
        return [one for one in self.events if isinstance(one, Final)]

    def check(self, said: list[dict[str, Any]]) -> None:
        """All was said, once and in its place, and the open sentence alone was said anew."""
        assert [one.text for one in self.finals] == text_of(said)
        for ours, theirs in zip(self.finals, said, strict=True):
            assert ours.start == pytest.approx(theirs["start"] / 1000, abs=0.2)
            assert ours.end == pytest.approx(theirs["end"] / 1000, abs=0.2)
        assert all(one.lost == 0 for one in self.events if isinstance(one, Reconnected))


def test_a_line_that_breaks_in_mid_stream(
    demo_server: Server, samples: Samples, said: list[dict[str, Any]]
) -> None:
    with Proxy(demo_server.port) as proxy, Client(proxy.url) as client, client.live() as session:
        speaker = Speaker(session, samples)
        speaker.speak_into_the_second_sentence()
        proxy.cut()
        until(lambda: proxy.connections == 2)
        speaker.speak_to_the_end()
        assert sum(isinstance(one, Reconnected) for one in speaker.events) == 1
        speaker.check(said)


@pytest.mark.parametrize("mode", ["2pass", "online"])
def test_a_line_that_breaks_again_and_again(
    demo_server: Server, client: Client, samples: Samples, mode: Any
) -> None:
    """While two minutes are sent at once: nothing is lost, and nothing is said twice."""
    silence = np.zeros(16000, np.int16)
    talk = np.tile(np.concatenate([samples, silence]), 7)

    def said(session: Any, on_final: Callable[[int], None]) -> list[str]:
        finals: list[Final] = []
        with session:
            sending = threading.Thread(target=lambda: (session.send(talk), session.finish()))
            sending.start()
            for event in session:
                if isinstance(event, Final):
                    finals.append(event)
                    on_final(len(finals))
                if isinstance(event, Reconnected):
                    assert event.lost == 0
            sending.join()
        times = [time for one in finals for time in (one.start or 0.0, one.end or 0.0)]
        assert all(before <= after for before, after in pairwise(times))
        return [one.text for one in finals]

    alone = said(client.live(mode=mode), lambda _: None)
    assert len(alone) == 28
    with Proxy(demo_server.port) as proxy, Client(proxy.url) as through:

        def cut_now_and_then(finals: int) -> None:
            if finals % 5 == 3:
                proxy.cut()

        assert said(through.live(mode=mode), cut_now_and_then) == alone
        assert proxy.connections > 3


def test_a_replica_that_is_killed_in_mid_stream(
    demo_server: Server, samples: Samples, said: list[dict[str, Any]]
) -> None:
    """Its neighbour goes on where the last sentence had ended."""
    with server() as doomed, Proxy(doomed.port) as proxy, Client(proxy.url) as client:
        with client.live() as session:
            speaker = Speaker(session, samples)
            speaker.speak_into_the_second_sentence()
            proxy.port_behind = demo_server.port
            doomed.end(signal.SIGKILL)
            speaker.speak_to_the_end()
        assert sum(isinstance(one, Reconnected) for one in speaker.events) == 1
        speaker.check(said)


@pytest.mark.slow
def test_a_server_that_restarts(samples: Samples, said: list[dict[str, Any]]) -> None:
    """It lets a speaker finish; who has not begun yet, begins at the next one."""
    with server("--drain-s", "60") as old, Proxy(old.port) as proxy, Client(proxy.url) as client:
        with client.live() as first, client.live() as second:
            speaker, late = Speaker(first, samples), Speaker(second, samples)
            speaker.speak_into_the_second_sentence()
            old.tell(signal.SIGTERM)
            until(lambda: "ending:" in old.log())
            speaker.speak_to_the_end()
            assert not any(isinstance(one, Reconnected) for one in speaker.events)
            speaker.check(said)
            assert old.process.wait(60) == 0
            with server() as new:
                proxy.port_behind = new.port
                late.speak_to_the_end()
                late.check(said)
                text = client.transcribe(samples).text
        assert text
