"""A device that is out of order: whatever is asked of it fails, now and for ever.

On CUDA an illegal access or a fault of the card leaves it so. Callers get their errors, the process
lives on, and what runs on other devices with it.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, EngineClosedError, InferenceError
from support import fakegpu
from support.audio import speech
from support.cases import CASES, FamilyCase, export_all
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")

CLIPS = [speech(1.0 + 0.3 * seed, seed=seed) for seed in range(8)]
#: Seconds after which a call counts as hanging.
TOO_LONG = 60


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return export_all(tmp_path_factory.mktemp)


def load(bundle: Path, device: str = HERE, **options: Any) -> AutoModel:
    return AutoModel(str(bundle), device=device, disable_pbar=True, num_workers=2, **options)


def ask(model: AutoModel, number: int) -> str:
    return str(model.generate(CLIPS[number % len(CLIPS)])[0]["text"])


def ask_live(model: AutoModel, number: int) -> str:
    stream, clip = model.stream(), CLIPS[number % len(CLIPS)]
    return "|".join(
        stream.feed(clip[i : i + 9600], i + 9600 >= len(clip))["text"]
        for i in range(0, len(clip), 9600)
    )


class Load:
    """Threads that ask again and again, and what became of it."""

    def __init__(self, asking: list[Callable[[int], str]]) -> None:
        self.answers: Counter[str] = Counter()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in asking]
        for thread in self._threads:
            thread.start()

    def _run(self, one: Callable[[int], str]) -> None:
        number = 0
        while not self._end.is_set():
            number += 1
            try:
                one(number)
            except Exception as error:
                self.answers[type(error).__name__] += 1
                time.sleep(0.005)
            else:
                self.answers["good"] += 1

    def wait_for(self, what: str, more: int) -> None:
        until, wanted = time.monotonic() + TOO_LONG, self.answers[what] + more
        while self.answers[what] < wanted:
            assert time.monotonic() < until, (what, self.answers)
            time.sleep(0.01)

    def end(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(TOO_LONG)
            assert not thread.is_alive(), self.answers


def break_under_load(bundles: dict[str, Path], graphs: bool) -> None:
    cpu, offline = load(bundles["paraformer"], "cpu"), load(bundles["paraformer"])
    live = load(bundles["paraformer_streaming"], cuda_graphs=graphs)
    expected = [ask(cpu, number) for number in range(len(CLIPS))]
    held = live.stream()
    held.feed(CLIPS[0][:9600], False)
    load_ = Load([lambda n: ask(offline, n)] * 4 + [lambda n: ask_live(live, n)] * 4)
    try:
        load_.wait_for("good", 24)
        fakegpu.break_devices(0)
        load_.wait_for("InferenceError", 64)
        with pytest.raises(InferenceError, match="out of order"):
            ask(offline, 0)
        with pytest.raises(InferenceError, match="out of order"):
            held.feed(CLIPS[0][9600:], True)
        # Not so on other devices.
        assert [ask(cpu, number) for number in range(len(CLIPS))] == expected
        load_.end()
        assert set(load_.answers) == {"good", "InferenceError"}
        begun = time.monotonic()
        for model in (offline, live, cpu):
            model.close()
        assert time.monotonic() - begun < TOO_LONG
        with pytest.raises(EngineClosedError):
            ask(offline, 0)
        for model in (offline, live):
            stats = model.stats()
            assert stats["submitted"] == stats["completed"] + stats["failed"]
    finally:
        fakegpu.break_devices()


@pytest.mark.parametrize("graphs", [False, True])
@on_fake_device
def test_everybody_is_told_and_nothing_hangs(bundles: dict[str, Path], graphs: bool) -> None:
    break_under_load(bundles, graphs)
    gc.collect()
    # Nobody could wait for what was queued, nor would it ever run.
    assert all("was freed while" in one for one in fakegpu.take_races())


def one(case: FamilyCase, model: AutoModel) -> str:
    """A request that asks the device for as little as possible, and what came of it."""
    clip = CLIPS[0]
    if case.calls:
        return str(model.generate(case.given(clip), key="one")[0])
    stream = model.stream()
    try:
        return "|".join(stream.feed(part, last)["text"] for part, last in
                        ((clip[:9600], False), (clip[9600:], True)))  # fmt: skip
    finally:
        stream.close()


#: More calls than any request takes.
MANY = 10**9


@pytest.mark.parametrize(
    ("case", "graphs"),
    [(case, graphs) for case in CASES for graphs in ([False, True] if case.graphs else [False])],
    ids=lambda value: ("graphs" if value else "") if isinstance(value, bool) else value.name,
)
@on_fake_device
@pytest.mark.slow
def test_at_every_call_that_can_fail(
    bundles: dict[str, Path], case: FamilyCase, graphs: bool
) -> None:
    """Whatever the device was asked for when it broke, in destructors and on the way to an error
    too: it is an error, and no end of the process."""
    with load(bundles[case.name], cuda_graphs=graphs) as model:
        expected = one(case, model)
        fakegpu.break_after(MANY)
        assert one(case, model) == expected
        count = MANY - fakegpu.calls_left()
        fakegpu.break_devices()
        assert count > (20 if case.text else 100), count
        # What is asked for after the answer is known may still have met a break: so three in a row.
        calls = answers = 0
        while answers < 3:
            fakegpu.break_after(calls)
            try:
                said = one(case, model)
            except InferenceError as error:
                said = str(error)
            finally:
                fakegpu.break_devices()
            assert said == expected or "out of order" in said
            answers = answers + 1 if said == expected else 0
            # Deep networks do the same over and over.
            calls += 7 if 400 < calls < count - 100 else 1
        assert one(case, model) == expected
        assert calls > 0.9 * count
    gc.collect()
    fakegpu.take_races()


@on_fake_device
def test_requests_go_to_the_devices_that_are_left(bundles: dict[str, Path]) -> None:
    """One that fails at once has the least to do: it must not draw all of them."""
    with load(bundles["paraformer"], "cpu") as cpu:
        expected = [ask(cpu, number) for number in range(len(CLIPS))]
    with load(bundles["paraformer"], f"{HERE},{THERE}") as model:
        fakegpu.break_devices(1)
        failed = 0
        try:
            for number in range(64):
                try:
                    assert ask(model, number) == expected[number % len(CLIPS)]
                except InferenceError:
                    failed += 1
            devices = model.stats()["devices"]
        finally:
            fakegpu.break_devices()
    del model
    gc.collect()  # errors know frames, and these the model: its blocks go before the reports do
    fakegpu.take_races()
    assert failed == 1
    assert [one["out_of_order"] for one in devices] == [0, 1]


@on_fake_device
def test_what_waits_when_a_device_breaks_is_answered_by_the_others(
    bundles: dict[str, Path],
) -> None:
    """Only what ran there just then fails: perhaps it was to blame."""
    long = [speech(5.0 + seed, seed=seed) for seed in range(4)]  # takes longer than to submit it
    with load(bundles["paraformer"], "cpu") as cpu:
        expected = [cpu.generate(clip)[0]["text"] for clip in long]
    with load(bundles["paraformer"], f"{HERE},{THERE}", max_batch_size=1) as model:
        futures = [model.submit(long[n % len(long)]) for n in range(48)]
        fakegpu.break_devices(1)
        failed = []
        try:
            for number, future in enumerate(futures):
                try:
                    text = future.result(TOO_LONG)[0]["text"]
                except InferenceError as error:
                    failed.append(str(error))
                else:
                    assert text == expected[number % len(long)]
            stats = model.stats()
        finally:
            fakegpu.break_devices()
    count = len(futures)
    del model, future, futures
    gc.collect()  # as above
    fakegpu.take_races()
    # Two workers, and each may have begun one more before the other told.
    assert len(failed) <= 4, failed
    assert all("out of order" in message for message in failed)
    here, there = stats["devices"]
    assert there["moved"] > 3
    assert (here["moved"], there["out_of_order"]) == (0, 1)
    assert stats["submitted"] == count
    assert stats["completed"] == count - len(failed)


@on_fake_device
def test_a_model_is_not_opened_on_it(bundles: dict[str, Path]) -> None:
    fakegpu.break_devices(0)
    try:
        with pytest.raises(Exception, match="out of order"):
            load(bundles["paraformer"])
    finally:
        fakegpu.break_devices()
    with load(bundles["paraformer"]) as model:
        assert ask(model, 0)
