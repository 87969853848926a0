"""Pipelines on their way: waiting, ending, failing, and being given up at any moment."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from safeasr import CancelledError, EngineClosedError, Future, QueueFullError
from safeasr.calls.promise import Promise
from safeasr.pipeline.runs import Runs
from safeasr.pipeline.steps import Run, Steps
from support.waiting import until


class Stages(Run):
    """Waits for each of some tickets, and notes what happens to it."""

    def __init__(self, tickets: list[Promise], *, stoppable: bool = True) -> None:
        super().__init__()
        self.stoppable = stoppable
        self.log: list[str] = []
        self._tickets = tickets

    def steps(self) -> Steps:
        got = []
        try:
            for ticket in self._tickets:
                got.append((yield ticket))
            return got
        finally:
            self.log.append("closed")

    def ended(self) -> None:
        assert not self.finished() or self.state == "cancelled"
        self.log.append("ended")

    def heard(self) -> None:
        self.log.append("heard")


def test_results_are_sent_and_the_last_is_the_runs() -> None:
    tickets = [Promise() for _ in range(3)]
    tickets[0].resolve("a")
    run = Stages(tickets)
    assert not run.begin()
    assert run.state == "running"
    future: Future[Any] = Future([run], run.get)
    tickets[1].resolve("b")
    assert not future.wait(0.02)
    tickets[2].resolve("c")
    assert future.result(30) == ["a", "b", "c"]
    until(lambda: run.log == ["closed", "ended", "heard"])


def test_what_is_there_already_ends_at_once() -> None:
    tickets = [Promise() for _ in range(2000)]
    for number, ticket in enumerate(tickets):
        ticket.resolve(number)
    run = Stages(tickets)
    assert run.begin()
    assert run.get() == list(range(2000))
    assert run.log == ["closed", "ended"]


def test_errors_are_thrown_into_the_steps() -> None:
    class Forgiving(Stages):
        def steps(self) -> Steps:
            try:
                yield self._tickets[0]
            except ValueError as error:
                return f"in place of {error}"

    for make, answer in ((Forgiving, "in place of mine"), (Stages, None)):
        ticket = Promise()
        run = make([ticket])
        run.begin()
        ticket.fail(ValueError("mine"))
        until(run.finished)
        if answer:
            assert run.get() == answer
        else:
            assert run.state == "failed"
            with pytest.raises(ValueError, match="mine"):
                run.get()


@pytest.mark.parametrize("mistake", [RuntimeError("wrong"), SystemExit("wrong")])
def test_steps_that_raise_fail_the_run(mistake: BaseException) -> None:
    class Broken(Stages):
        def steps(self) -> Steps:
            yield self._tickets[0]
            raise mistake

    ticket = Promise()
    run = Broken([ticket])
    run.begin()
    ticket.resolve(None)
    future: Future[Any] = Future([run], run.get)
    assert future.exception(30) is mistake
    after = Promise()
    other = Stages([after])
    other.begin()
    after.resolve("still served")
    assert Future([other], other.get).result(30) == ["still served"]


def test_cancelled_before_it_begins() -> None:
    for stoppable in (True, False):
        run = Stages([Promise()], stoppable=stoppable)
        assert run.cancel()
        assert not run.cancel()
        assert run.begin()
        assert run.log[-1] == "ended"
        with pytest.raises(CancelledError):
            run.get()


def test_cancelled_while_it_waits() -> None:
    ticket = Promise()
    run = Stages([ticket])
    run.begin()
    assert run.cancel()
    assert run.log == ["closed", "ended", "heard"]
    assert run.state == "cancelled"
    ticket.resolve("too late")
    time.sleep(0.02)
    assert run.log == ["closed", "ended", "heard"]


def test_a_chunk_that_has_begun_is_not_cancelled() -> None:
    ticket = Promise()
    run = Stages([ticket], stoppable=False)
    run.begin()
    assert not run.cancel()
    ticket.resolve("there")
    assert Future([run], run.get).result(30) == ["there"]


def test_cancelled_at_any_moment() -> None:
    """While steps run on another thread, between steps, at the end: it ends once."""
    for round_ in range(300):
        tickets = [Promise() for _ in range(3)]
        run = Stages(tickets)
        run.begin()
        threads = [
            threading.Thread(target=lambda t=tickets: [one.resolve(1) for one in t]),
            threading.Thread(target=run.cancel),
        ]
        for thread in threads[:: 1 if round_ % 2 else -1]:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda run=run: "heard" in run.log)
        assert run.finished()
        assert run.log.count("closed") == run.log.count("ended") == run.log.count("heard") == 1
        assert run.state in ("done", "cancelled")


def test_an_error_and_its_run_are_freed() -> None:
    """The error knows the frame that knows the run: Python's collector must see the circle."""
    import gc
    import weakref

    ticket = Promise()
    run = Stages([ticket])
    log = run.log
    run.begin()
    ticket.fail(ValueError("mine"))
    until(lambda: "heard" in log)
    with pytest.raises(ValueError, match="mine"):
        run.get()
    gone = weakref.ref(run)
    del run, ticket
    until(lambda: gc.collect() >= 0 and gone() is None)


def test_runs_are_bounded() -> None:
    runs = Runs(2)
    first, second, third = (Stages([Promise()]) for _ in range(3))
    for run in (first, second):
        runs.add_when_there_is_room(run, lambda: 0.0)
    with pytest.raises(QueueFullError, match="2 recordings are under way"):
        runs.add_when_there_is_room(third, lambda: 0.0)
    threading.Timer(0.05, lambda: runs.remove(first)).start()
    runs.add_when_there_is_room(third, lambda: None)


def test_no_two_threads_take_the_last_place() -> None:
    for _ in range(50):
        runs, refused = Runs(3), []

        def enter(runs: Runs = runs, refused: list[QueueFullError] = refused) -> None:
            try:
                runs.add_when_there_is_room(Stages([Promise()]), lambda: 0.0)
            except QueueFullError as error:
                refused.append(error)

        threads = [threading.Thread(target=enter) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 5


def test_closing_waits_for_runs_or_does_not() -> None:
    runs = Runs()
    ticket = Promise()
    run = Stages([ticket])
    run.begin()
    runs.add(run)
    runs.close(drain=False)
    with pytest.raises(EngineClosedError):
        runs.add(Stages([]))
    threading.Timer(0.05, lambda: ticket.resolve("last")).start()
    runs.close(drain=True)
    assert run.get() == ["last"]
