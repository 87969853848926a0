"""Loads on targets that are known exactly, in virtual time: what is measured is what is so."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.scripts import scripts
from safeasr.bench.campaign import at_level
from safeasr.bench.find_max import Found, find_max
from safeasr.bench.findings.figures import figures_of
from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.judge import judge
from safeasr.bench.findings.latency import summarise
from safeasr.bench.findings.results import Run
from safeasr.bench.load.calls import drive_calls
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.live import drive_sessions
from safeasr.bench.load.loaded import Loaded
from safeasr.bench.load.loads import Closed, Load, Rate, Sessions
from safeasr.bench.load.records import Outcome, Records, error_kind, message_of
from safeasr.bench.targets.base import Answer, RefusedError
from safeasr.bench.targets.failures import RequestError
from safeasr.errors import InputError
from support.made_up_targets import MadeUp, refuses, silent_clips
from support.virtual_time import run_in_virtual_time


def run(
    monkeypatch: pytest.MonkeyPatch, make: type[MadeUp] | object, load: Load, clips: int = 4
) -> tuple[Records, float]:
    """The records of a load on a target that `make` makes on the loop, and its second 0."""

    async def main() -> tuple[Records, float]:
        drive = Drive(silent_clips(clips), asyncio.get_running_loop().time() + 0.5)
        way = drive_sessions if isinstance(load.kind, Sessions) else drive_calls
        await way(drive, make(), load)  # type: ignore[operator]
        assert drive.in_flight == 0
        return drive.records, drive.begin

    return run_in_virtual_time(monkeypatch, main())


def latencies(records: Records, since: str = "due") -> np.ndarray:
    answered = records.column("outcome") == Outcome.ANSWERED
    return (records.column("done") - records.column(since))[answered]


def test_exponential_service_has_its_percentiles(monkeypatch: pytest.MonkeyPatch) -> None:
    # The quantiles of the distribution themselves, in random order: p50 is ln 2, p95 ln 20.
    count, mean = 4000, 0.1
    shares = (np.arange(count) + 0.5) / count
    times = np.random.default_rng(1).permutation(-mean * np.log(1 - shares))
    load = Load(Rate(100.0, 50.0, seed=3))
    records, _ = run(monkeypatch, lambda: MadeUp(lambda number: float(times[number % count])), load)
    assert abs(len(records) - 5000) < 5 * math.sqrt(5000)
    found = summarise(latencies(records)[:count] * 1000)
    assert found.p50 == pytest.approx(100 * math.log(2), rel=0.05)
    assert found.p95 == pytest.approx(100 * math.log(20), rel=0.05)
    assert found.p99 == pytest.approx(100 * math.log(100), rel=0.05)
    assert found.mean == pytest.approx(100, rel=0.05)


def test_a_queue_of_poisson_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    # M/D/1: mean wait = rho S / (2 (1 - rho)).
    service, rate = 0.01, 70.0
    load = Load(Rate(rate, 600.0, seed=5), timeout_s=600)
    records, _ = run(monkeypatch, lambda: MadeUp(lambda number: service, servers=1), load)
    rho = service * rate
    assert latencies(records).mean() == pytest.approx(
        service + rho * service / (2 * (1 - rho)), rel=0.05
    )


@pytest.mark.parametrize("callers", [1, 7, 40])
def test_a_closed_loop_on_one_server(monkeypatch: pytest.MonkeyPatch, callers: int) -> None:
    load = Load(Closed(callers, 20.0))
    records, begin = run(monkeypatch, lambda: MadeUp(lambda n: 0.02, servers=1), load)
    assert summarise(latencies(records) * 1000).p50 == pytest.approx(20 * callers, rel=0.01)
    assert len(records) == pytest.approx(20 / 0.02 + callers, rel=0.01)
    assert records.column("due").min() >= begin


@pytest.mark.parametrize(("limit_ms", "most"), [(205, 10), (1010, 50), (30, 1), (10, 0)])
def test_find_max_in_a_closed_loop(
    monkeypatch: pytest.MonkeyPatch, limit_ms: int, most: int
) -> None:
    found = search(monkeypatch, Load(Closed(1, 20.0)), f"p95<{limit_ms}ms,errors=0", servers=1)
    assert found.level == pytest.approx(most, rel=0.05)
    assert found.bounded


@pytest.mark.slow
def test_find_max_of_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten servers of 20 ms bear 500 requests a second; in 10 s a queue shows beyond that.
    found = search(
        monkeypatch, Load(Rate(400.0, 10.0), timeout_s=600), "p95<100ms", servers=10, whole=False
    )
    assert found.level == pytest.approx(500, rel=0.05)


def search(
    monkeypatch: pytest.MonkeyPatch, load: Load, goal: str, servers: int, whole: bool = True
) -> Found:
    def run_at(level: float) -> Run:
        asked = at_level(load, level)
        records, begin = run(monkeypatch, lambda: MadeUp(lambda n: 0.02, servers=servers), asked)
        found = Run("made up", asked.as_dict())
        found.latency = summarise(latencies(records) * 1000)
        found.counts = judge(records, silent_clips(4), [], begin).counts
        return found

    return find_max(run_at, Goal.parse(goal), start=load.level, whole=whole)


def test_a_stall_shows_in_all_that_were_due(monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = lambda: MadeUp(lambda number: 0.01, stalls=[(5.0, 8.0)])  # noqa: E731
    records, begin = run(monkeypatch, stalled, Load(Rate(50.0, 20.0)))
    due = records.column("due") - begin
    first = due.min()
    during = (due - first > 4.99) & (due - first < 7.99)
    assert 100 < during.sum() < 200
    assert np.allclose(latencies(records)[during], (8.0 - (due - first))[during], atol=0.02)
    # The closed loop of one caller meets the stall once: hence the note in the report.
    records, _ = run(monkeypatch, stalled, Load(Closed(1, 20.0)))
    assert (latencies(records) > 0.1).sum() == 1


def test_held_back_requests_count_from_their_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(Rate(100.0, 2.0, most_in_flight=10), timeout_s=600)
    records, _ = run(monkeypatch, lambda: MadeUp(lambda n: 1.0), load)
    assert records.held_back > 100
    late = latencies(records, "due")
    assert late.max() > 10 and latencies(records, "sent").max() == pytest.approx(1.0)
    assert max(records.late) < 1e-3  # the tester was not late: the target was full


def test_every_planted_wrong_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(number: int, clip: object) -> Answer:
        name = clip.name  # type: ignore[attr-defined]
        if number % 1000 == 499:
            kind = number // 1000 % 4
            others = f"clip {(int(name.split()[1]) + 1) % 4}"
            return [Answer("made up"), Answer(others), Answer(""), Answer(name, finals=2)][kind]
        return Answer(name)

    clips = silent_clips(4)
    load = Load(Closed(16, None, 20_000))
    records, begin = run(monkeypatch, lambda: MadeUp(lambda n: 0.001, answer=answer), load)
    found = judge(records, clips, [Answer(clip.name) for clip in clips], begin)
    counts = found.counts
    assert (counts.asked, counts.right, counts.wrong) == (20_000, 19_980, 20)
    assert (counts.different, counts.swapped, counts.empty, counts.doubled) == (5, 5, 5, 5)
    assert found.wrong.sum() == 20
    assert {one.whose for one in found.differences if one.kind == "swapped"} <= {
        clip.name for clip in clips
    }
    assert sum(one.count for one in found.differences) == 20


def test_refusals_failures_and_what_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    records, _ = run(monkeypatch, lambda: MadeUp(answer=refuses), Load(Closed(2, None, 10)))
    assert set(records.outcome) == {Outcome.REFUSED}
    assert records.errors == [("HTTP 503", "full")]

    def fails(number: int, clip: object) -> Answer:
        raise IndexError("list index\nout of range")

    records, _ = run(monkeypatch, lambda: MadeUp(answer=fails), Load(Closed(2, None, 10)))
    assert records.errors == [("IndexError", "list index out of range")]
    records, _ = run(
        monkeypatch, lambda: MadeUp(lambda n: 100.0), Load(Closed(2, None, 10), timeout_s=3.0)
    )
    assert set(records.outcome) == {Outcome.LOST} and len(records) == 10
    assert records.errors[0][0] == "no answer"


def test_the_kind_of_an_error_is_said_once() -> None:
    for error, kind, message in (
        (RefusedError("HTTP 503", "full"), "HTTP 503", "full"),
        (RequestError("closed 1006"), "closed 1006", ""),
        (IndexError("list index\nout of range"), "IndexError", "list index out of range"),
        (KeyError(), "KeyError", "KeyError()"),
    ):
        assert (error_kind(error), message_of(error)) == (kind, message)


def test_sessions_speak_in_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(Sessions(20, 30.0, chunk_ms=600))
    records, begin = run(monkeypatch, lambda: MadeUp(lambda n: 0.2), load)
    assert len(records) > 20 * 20
    # A clip lasts 1 s; the first partial text comes 50 ms after the first chunk was spoken.
    assert np.allclose(records.column("spoken") - records.column("due"), 1.0)
    assert np.allclose(records.column("first_partial") - records.column("due"), 0.65)
    assert np.allclose(latencies(records, "spoken"), 0.2)
    assert np.allclose(records.column("second"), records.column("done"))
    starts = np.sort(records.column("due"))[:20] - begin
    assert starts.max() - starts.min() > 0.9  # spread over what one says
    assert max(records.slipped) == 0


def test_scripts_are_clips_with_pauses() -> None:
    clips = silent_clips(3)
    made = scripts(clips, 4, 8.0, seed=1)
    assert [script.name for script in made] == [f"script {n}" for n in range(4)]
    for script in made:
        assert 5 < script.seconds < 12
        assert script.reference is None
    again = scripts(clips, 4, 8.0, seed=1)
    assert all((a.samples == b.samples).all() for a, b in zip(made, again, strict=True))


def test_a_script_has_the_options_of_all_that_is_said_in_it() -> None:
    clips = [
        Clip(f"clip {n}", np.full(16000, n, np.float32), options={"hotword": f"word {n % 3}"})
        for n in range(6)
    ]
    made = scripts(clips, 2, 5.0)
    assert [one.options["hotword"] for one in made] == ["word 0", "word 1", "word 2"]
    for script in made:
        said = {int(sample) for sample in script.samples if sample >= 1} or {0}
        assert {f"word {n % 3}" for n in said} == {script.options["hotword"]}
    many = [Clip(str(n), clips[0].samples, options={"n": n}) for n in range(65)]
    with pytest.raises(InputError, match="65 different sets of options"):
        scripts(many, 2, 5.0)


def test_speakers_say_all_clips_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for sessions in (1, 2, 7, 8):
        load = Load(Sessions(sessions, rounds=8, paced=False))
        records, _ = run(monkeypatch, MadeUp, load, clips=8)
        assert np.bincount(records.clip).tolist() == [sessions] * 8


def test_a_stall_is_no_fault_of_the_tester(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(Rate(200.0, 8.0, most_in_flight=20), timeout_s=600)
    stalled = lambda: MadeUp(lambda number: 0.01, stalls=[(3.0, 5.0)])  # noqa: E731
    records, _ = run(monkeypatch, stalled, load)
    assert records.held_back > 300
    assert np.percentile(records.late, 95) < 1e-3


def test_requests_are_shared_without_losing_any() -> None:
    for callers, requests, parts in ((5, 7, 3), (16, 100, 7), (2, 9, 4)):
        shares = [Load(Closed(callers, None, requests)).share(n, parts) for n in range(parts)]
        kinds = [share.kind for share in shares if share is not None]
        assert sum(kind.callers for kind in kinds if isinstance(kind, Closed)) == callers
        assert sum(kind.requests or 0 for kind in kinds if isinstance(kind, Closed)) == requests


def test_a_race_does_not_get_a_second_try() -> None:
    tried = []

    def run_at(level: float) -> Run:
        tried.append(level)
        found = Run("t", {"kind": "closed", "level": level, "label": ""})
        found.counts.asked, found.counts.right = 100, 90
        found.counts.different = int(level > 2)
        found.latency = summarise(np.full(100, 10.0 if level < 2 or len(tried) % 2 else 99.0))
        return found

    found = find_max(run_at, Goal.parse("identical"))
    assert found.level == 2 and tried == [1, 2, 4, 3]
    tried.clear()
    # Slow at first at two of three levels, and not when asked again.
    assert find_max(run_at, Goal.parse("p95<50ms"), most=4).level == 4

    def late(level: float) -> Run:
        found = run_at(level)
        found.counts.different, found.tester.valid = 0, level < 3
        return found

    assert find_max(late, Goal.parse("identical")).level == 2


def test_what_never_came_took_as_long_as_one_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(Rate(50.0, 4.0), timeout_s=2.0)
    slow = lambda: MadeUp(lambda number: 0.1 if number % 3 else 100.0)  # noqa: E731
    records, begin = run(monkeypatch, slow, load)
    found, _ = figures_of("t", load, Loaded(records, begin, begin + 6.0), silent_clips(4))
    assert found.latency.p50 == pytest.approx(100) and found.latency.p95 == pytest.approx(2000)
    assert found.duration_s < 4.2  # until the last answer, not until one gave up


def test_several_parts_are_right_where_alone_gives_them() -> None:
    records = Records()
    for finals in (2, 1):
        what = records.answered(0, Answer("a b", finals=finals))
        records.add(0, 0.0, 0.0, Outcome.ANSWERED, what, done=1.0)
    found = judge(records, silent_clips(1), [Answer("a b", finals=2)], 0.0).counts
    assert (found.right, found.doubled) == (1, 1)
