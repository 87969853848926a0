"""The time line, the slope of memory, what held a load up, and how many wake at once."""

from __future__ import annotations

import asyncio
import os
import time

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.findings.bottleneck import bottleneck_of, lateness_of
from safeasr.bench.findings.judge import accuracy_of
from safeasr.bench.findings.latency import summarise
from safeasr.bench.findings.resources import Sample, Sampler, listener_of
from safeasr.bench.findings.results import Run, Second
from safeasr.bench.findings.timeline import memory_slope, seconds_of
from safeasr.bench.load.loaded import Loaded, Progress
from safeasr.bench.load.records import Outcome, Records, merged
from safeasr.bench.load.wheel import Wheel
from safeasr.bench.targets.base import Answer
from support.virtual_time import run_in_virtual_time


def records_of(rows: list[tuple[float, float, Outcome]]) -> Records:
    """Requests that were due and sent at one moment and done at another."""
    records = Records()
    for due, done, outcome in rows:
        answered = outcome == Outcome.ANSWERED
        what = records.answered(0, Answer("x")) if answered else records.error("E", "e")
        records.add(0, due, due, outcome, what, done=done)
    return records


def test_seconds_add_up() -> None:
    ok = Outcome.ANSWERED
    rows = [(100.1, 100.3, ok), (100.2, 101.7, ok), (101.0, 101.5, Outcome.FAILED)]
    rows.append((102.4, 102.5, Outcome.REFUSED))
    samples = [
        Sample(99.7 + k, [0.5, 1.0], target_cpu_s=2.0 * k, memory_mb=100.0 + k) for k in range(5)
    ]
    progress = [
        Progress(100.0 + k, 0, 0, 0, {"waiting": k % 2, "batches": 10.0 * k}) for k in (0, 1, 2)
    ]
    loaded = Loaded(records_of(rows), 100.0, 103.0, np.zeros(0), progress)
    seconds = seconds_of(loaded, np.array([False, True, False, False]), samples)
    assert [(s.asked, s.answered, s.failed, s.refused, s.wrong, s.in_flight) for s in seconds] == [
        (2, 1, 0, 0, 0, 1),
        (1, 1, 1, 0, 1, 0),
        (1, 0, 0, 1, 0, 0),
    ]
    assert seconds[1].p50 == pytest.approx(1500) and seconds[2].p50 is None
    assert [s.target_cores for s in seconds] == [2.0, 2.0, 2.0]
    assert seconds[0].cores == [0.5, 1.0] and seconds[1].memory_mb == 102.0
    assert seconds[1].target == {"waiting": 1.0, "batches/s": 10.0}


@pytest.mark.parametrize("last", [100.52, 101.0, 100.48])
def test_a_load_of_half_a_second_has_its_resources(last: float) -> None:
    samples = [Sample(at, memory_mb=7.0, target_cpu_s=at - 99.5) for at in (99.5, 100.5, last)]
    samples.sort(key=lambda one: one.at)
    records = records_of([(100.0, 100.4, Outcome.ANSWERED)])
    (second,) = seconds_of(
        Loaded(records, 100.0, 100.5, np.zeros(0), []), np.zeros(1, bool), samples
    )
    assert second.memory_mb == 7.0 and second.target_cores == pytest.approx(1.0)


def test_merging_keeps_who_said_what() -> None:
    one, other = Records(), Records()
    one.add(0, 1.0, 1.0, Outcome.ANSWERED, one.answered(0, Answer("a")), done=2.0)
    other.add(1, 1.0, 1.0, Outcome.ANSWERED, other.answered(1, Answer("b")), done=2.0)
    other.add(0, 1.0, 1.0, Outcome.ANSWERED, other.answered(0, Answer("a")), done=2.0)
    other.add(0, 1.0, 1.0, Outcome.FAILED, other.error("E", "first"), done=2.0)
    both = merged([one, other])
    assert len(both) == 4 and [text.text for _, text in both.answers] == ["a", "b"]
    assert list(both.what) == [0, 1, 0, 0] and both.errors == [("E", "first")]


def test_the_slope_of_memory() -> None:
    random = np.random.default_rng(0)

    def line(slope_mb_s: float) -> list[Second]:
        return [
            Second(float(t), memory_mb=500 + slope_mb_s * t + float(random.normal(0, 2)))
            for t in range(600)
        ]

    slope, low, high = memory_slope(line(0.1)) or (0.0, 0.0, 0.0)
    assert low < 360 < high and slope == pytest.approx(360, rel=0.1)
    _, low, high = memory_slope(line(0.0)) or (1.0, 1.0, 1.0)
    assert low < 0 < high
    assert memory_slope(line(0.1)[:200]) is None
    grows = [Second(float(t), asked=1000, memory_mb=500 + 0.09 * t) for t in range(600)]
    slope, _, _ = memory_slope(grows, own_bytes=0.09 * 2**20 / 1000) or (9.0, 0.0, 0.0)
    assert abs(slope) < 1  # the tester's own records


def run_with(**second: float | list[float]) -> Run:
    run = Run("t", {"kind": "closed", "level": 8, "label": "8 callers"})
    run.seconds = [Second(float(t), **second) for t in range(8)]  # type: ignore[arg-type]
    return run


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"throttled": 0.4, "target_cores": 1.0}, "container's processor limit"),
        ({"gpu": 0.97}, "The GPU"),
        ({"target_cores": 3.9}, "3.9 of 4 cores"),
        ({"cores": [1.0] * 4, "target_cores": 0.5}, "this machine"),
        ({"target_cores": 1.02, "cores": [0.3] * 4}, "One core"),
        ({"target_cores": 2.0, "cores": [0.5] * 4}, "Waiting"),
        ({}, "Not known"),
    ],
)
def test_what_held_it_up(second: dict[str, float | list[float]], said: str) -> None:
    assert said in bottleneck_of(run_with(**second), 4, remote=True)


def test_a_late_tester_is_no_tester() -> None:
    run = run_with()
    assert lateness_of([1.0, 5.0, 90.0], 0.0, 50.0, run, remote=True).valid
    late = lateness_of([1.0, 25.0, 90.0], 0.0, 50.0, run, remote=True)
    assert not late.valid and "25 ms late" in late.reason
    assert lateness_of([1.0, 25.0, 90.0], 0.0, 500.0, run, remote=True).valid
    assert not lateness_of(None, 300.0, 50.0, run, remote=True).valid
    assert lateness_of(None, 300.0, 50.0, run, remote=False).valid
    run.tester = late
    assert bottleneck_of(run, 4, remote=True).startswith("The tester itself")


def test_samples_of_this_process() -> None:
    def computed(samples: list[Sample]) -> bool:
        first, *_, last = samples
        assert last.target_cpu_s is not None and first.target_cpu_s is not None
        return last.target_cpu_s > first.target_cpu_s  # the system counts in ticks of 10 ms

    with Sampler([os.getpid()], [], period_s=0.05) as sampler:
        end = time.monotonic() + 60
        while time.monotonic() < end and (
            len(sampler.samples) < 3 or not computed(list(sampler.samples))
        ):
            sum(range(1000))
    last = sampler.samples[-1]
    assert len(sampler.samples) >= 3 and computed(sampler.samples)
    assert last.memory_mb and last.memory_mb > 10
    assert last.threads and last.cores


def test_who_listens() -> None:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        listening.listen()
        assert listener_of(port) == os.getpid()
    assert listener_of(port) is None


def test_error_rates_count_characters_where_words_are_not_spaced() -> None:
    pytest.importorskip("jiwer")
    samples = np.zeros(16, np.float32)
    clips = [Clip("a", samples, reference="今天天气很好。"), Clip("b", samples, reference="Hello")]
    clips[1] = Clip("b", samples)
    records = Records()
    for text in ("今天天气很好", "今天天气很坏"):
        what = records.answered(0, Answer(text))
        records.add(0, 0.0, 0.0, Outcome.ANSWERED, what, done=1.0)
    found = accuracy_of(records, clips, [Answer("今天天气很好"), Answer("x")])
    assert found is not None and found.unit == "character" and found.references == 1
    assert found.alone == 0 and found.loaded == pytest.approx(1 / 12, abs=1e-4)
    assert accuracy_of(records, [Clip("a", samples)], []) is None


def test_who_is_due_together_wakes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        wheel = Wheel(loop.time())
        begin = loop.time()
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await wheel.until(begin + seconds)
            woken.append(round(loop.time() - begin, 4))

        tasks = [asyncio.ensure_future(sleeper(s)) for s in (0.5, 0.5, 0.01, 0.1234, -1.0)]
        given_up = asyncio.ensure_future(sleeper(0.5))
        await asyncio.sleep(0.2)
        given_up.cancel()
        await asyncio.gather(*tasks)
        return woken

    assert run_in_virtual_time(monkeypatch, main()) == [0.0, 0.01, 0.1234, 0.5, 0.5]


def test_a_target_that_falls_behind_is_not_said_to_keep_up() -> None:
    run = Run("t", {"kind": "rate", "level": 9.0, "label": "", "seconds": 12.0})
    run.latency = summarise(np.full(100, 50.0))
    run.counts.asked = 100
    run.seconds = [Second(float(t), in_flight=3) for t in range(12)]
    assert bottleneck_of(run, 4, remote=True).startswith("Nothing")
    run.seconds = [Second(float(t), in_flight=3 + 5 * t) for t in range(12)]
    assert "fell behind" in bottleneck_of(run, 4, remote=True)
    run.counts.failed = 100
    assert "100 of 100 requests" in bottleneck_of(run, 4, remote=True)
    run = Run("t", {"kind": "sessions", "level": 9, "label": "", "paced": True})
    run.latency, run.real_time, run.counts.asked = summarise(np.full(9, 50.0)), 0.4, 9
    assert "fell behind" in bottleneck_of(run, 4, remote=True)
