"""Conditions as they are written, what they say of runs, and what is said of them."""

from __future__ import annotations

import re

import pytest

from safeasr.bench.findings import results
from safeasr.bench.findings.goals import Goal
from safeasr.bench.findings.latency import summarise
from safeasr.bench.findings.results import Comparison, Counts, Run
from support.bench_reports import make_run, sessions_run


def run_of(**changes: object) -> Run:
    run = make_run(asked=2000)
    run.latency = summarise([100.0] * 900 + [712.0] * 100)
    for name, value in changes.items():
        setattr(run, name, value)
    return run


@pytest.mark.parametrize(
    "text, held",
    [
        ("p95<600ms", False),
        ("p95<0.8s", True),
        ("p95 <= 712 ms", True),
        ("p50=100ms,p90<=1s", True),
        ("p50==100ms", True),
        ("P50 < 1S", True),
        ("errors=0,wrong=0,identical,valid", True),
        ("errors<0.1%,refused<=0,lost=0", True),
        ("rtfx>1,per_s>=.5/s", True),
        ("rtfx>1e9", False),
        ("cer<5%,cer<0.05", True),
        ("cer<4%", False),
        ("memory_slope<20MB/h", True),
        ("memory_slope<1e1", False),
        ("mean>0ms,max<1s", True),
    ],
)
def test_conditions(text: str, held: bool) -> None:
    assert Goal.parse(text).holds(run_of()) is held


def test_counts_in_percent_are_of_what_was_asked() -> None:
    run = run_of(counts=Counts(asked=1000, right=985, failed=10, lost=5))
    assert Goal.parse("errors<=1.5%").holds(run)
    assert not Goal.parse("errors<1.5%").holds(run)
    assert Goal.parse("errors=15,lost=5").holds(run)
    assert Goal.parse("errors<1%").explain(run) == "errors = 1.5 %, wanted < 1 %"


def test_sessions() -> None:
    run = sessions_run()
    assert Goal.parse("first_partial.p95<2s,first_final.p95<5s,second_pass.p95<1s").holds(run)
    assert Goal.parse("chunk.p99<1s,real_time>=98%,real_time>0.98").holds(run)
    assert not Goal.parse("real_time>99%").holds(run)
    assert Goal.parse("real_time>99%").explain(run) == "real_time = 98.5 %, wanted > 99 %"


def test_explanations() -> None:
    run = run_of()
    assert Goal.parse("p95<600ms").explain(run) == "p95 = 712 ms, wanted < 600 ms"
    assert Goal.parse("p95<0.6s").explain(run) == "p95 = 712 ms, wanted < 600 ms"
    # Only what is missed, or all.
    assert Goal.parse("errors=0,p95<600ms").explain(run) == "p95 = 712 ms, wanted < 600 ms"
    reached = Goal.parse("errors=0,p50<1s").explain(run)
    assert reached == "errors = 0, wanted = 0; p50 = 100 ms, wanted < 1,000 ms"
    late = run_of(tester=results.Tester(valid=False, reason="sent 200 ms late"))
    assert Goal.parse("valid").explain(late) == "the run is invalid: sent 200 ms late"


@pytest.mark.parametrize(
    "text, changes, why",
    [
        ("p99<1s", {"latency": summarise([1.0] * 400)}, "400 samples are too few, it needs 1,000"),
        ("p999<1s", {"latency": summarise([1.0] * 4000)}, "4,000 samples .* needs 10,000"),
        ("p50<1s", {"latency": summarise([])}, "nothing was measured"),
        ("errors=0", {"counts": Counts()}, "nothing was asked"),
        ("identical", {"counts": Counts(asked=3, failed=3)}, "nothing was answered"),
        ("wer<5%", {}, "counted by the character: use cer"),
        ("cer<5%", {"accuracy": None}, "no clip has a reference"),
        ("cer<5%", {"accuracy": Comparison("word", 0, 0, 1)}, "use wer"),
        ("memory_slope<1", {"memory_slope_mb_h": None}, "too short"),
        ("real_time>0.9", {}, "no sessions"),
        ("first_partial.p95<1s", {}, "no sessions"),
    ],
)
def test_what_is_not_known_reaches_no_goal(text: str, changes: dict[str, object], why: str) -> None:
    run = run_of(**changes)
    goal = Goal.parse(text)
    assert not goal.holds(run)
    assert re.search(f"is not known: .*{why}", goal.explain(run)), goal.explain(run)


@pytest.mark.parametrize(
    "text, words",
    [
        ("p96<600ms", ["'p96<600ms'", "did you mean p9", "Known are p50"]),
        ("errorz=0", ["did you mean errors"]),
        ("identicle", ["did you mean identical"]),
        ("first_partial.p96<1s", ["did you mean first_partial.p9"]),
        ("p95<600", ["'600'", "600ms or 0.6s"]),
        ("p95<fast", ["'fast'"]),
        ("p95<", ["''", "600ms"]),
        ("p95<6%", ["'6%'"]),
        ("errors=0ms", ["0 or 0.1%"]),
        ("rtfx>-3", ["'-3'"]),
        ("p95<>600ms", ["'<>'", "< <= > >= = =="]),
        ("p95!=600ms", ["'!='"]),
        ("p95", ["says nothing of its value", "p95<600ms"]),
        ("<600ms", ["'' is not known"]),
        ("p95<600ms,,errors=0", ["comma"]),
        ("p95<600ms,", ["comma"]),
        ("", ["no condition"]),
        (" , ", ["no condition"]),
        ("nan<1s", ["not known"]),
        ("p95<nanms", ["'nanms'"]),
    ],
)
def test_mistakes_are_named(text: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        Goal.parse(text)
    for word in words:
        assert word in str(caught.value)


def test_alarms() -> None:
    goal = Goal.parse("p95>600ms,errors>0,wrong>0", alarms=True)
    bad = run_of()
    assert goal.fails(bad) and not goal.passes(bad)
    assert goal.explain_failure(bad) == goal.why(bad) == "p95 = 712 ms, fails if > 600 ms"
    good = run_of(latency=summarise([100.0]))
    assert not goal.fails(good) and goal.passes(good) and goal.why(good) == ""


def test_alarms_that_cannot_be_checked_do_not_pass_in_silence() -> None:
    goal = Goal.parse("p99>1s", alarms=True)
    assert goal.fails(run_of(latency=summarise([1.0] * 10)))
    # A load without sessions never has their values: nothing is hidden by that.
    sessions = Goal.parse("first_partial.p95>1s,real_time<0.9", alarms=True)
    assert not sessions.fails(run_of())
    assert sessions.fails(sessions_run()) is False
    deaf = sessions_run()
    deaf.first_partial = summarise([])
    assert "nothing was measured" in sessions.explain_failure(deaf)


def test_alarms_of_what_is_good_are_refused() -> None:
    for word, opposite in (("identical", "different"), ("valid", "invalid")):
        with pytest.raises(ValueError, match=opposite):
            Goal.parse(word, alarms=True)
        assert not Goal.parse(opposite, alarms=True).fails(run_of())
    invalid = run_of(tester=results.Tester(valid=False, reason="late"))
    assert Goal.parse("invalid", alarms=True).why(invalid) == "the run is invalid: late"


def test_parts() -> None:
    parts = Goal.parse("p95<600ms, identical").parts()
    assert [one.text for one in parts] == ["p95<600ms", "identical"]
