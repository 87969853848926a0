"""Devices that break or run out of memory while batches run, of every family.

Whatever a device was doing for several callers at once, each of them has an answer or a typed
error, the answers are right, the model goes on and can be closed, and its counters account for all.
`test_device_breaks.py` lets a device break at each call that one request makes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, InferenceError, OutOfMemoryError
from safeasr.loading.export import open_bundle
from support import fakegpu
from support.audio import speech
from support.cases import CASES, FamilyCase, LiveJob, live_answers, said
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")

BOTH = f"{HERE},{THERE}"
CLIPS = [speech(seconds, seed=seed) for seed, seconds in enumerate((0.4, 0.25, 0.6))]
CALLERS = 4
#: More than any of these tests asks of a device.
MANY = 10**9
#: What to recognise, with its options.
Call = tuple[Any, dict[str, Any]]


def _with_each_encoder(case: FamilyCase) -> list[tuple[str, FamilyCase]]:
    """By what to call it; hybrids have encoders of several kinds."""
    if case.name != "ctc_attention":
        return [(case.name, case)]
    return [
        (f"{case.name}-{name}", replace(case, shapes={name: write}))
        for name, write in case.shapes.items()
    ]


NAMED = dict(one for case in CASES for one in _with_each_encoder(case))
#: Deep, or with encoders that are not the hybrids' first: others bring the same in less time.
LONG = ["campplus", *[name for name in NAMED if name.startswith("ctc_attention")][1:]]
of_every_network = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMED],
)


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def bundle(name: str) -> Path:
        if name not in made:
            made[name] = Path(open_bundle(NAMED[name].write(tmp_path_factory.mktemp("m"))).path)
        return made[name]

    return bundle


@pytest.fixture
def bundle(bundle_of: Callable[[str], Path], name: str) -> Path:
    return bundle_of(name)


@pytest.fixture
def pipeline(bundle_of: Callable[[str], Path]) -> dict[str, str]:
    parts = {"model": "paraformer", "vad_model": "fsmn_vad", "punc_model": "ct_transformer"}
    return {part: str(bundle_of(name)) for part, name in parts.items()}


def load(model: Path | str, device: str, **options: Any) -> AutoModel:
    return AutoModel(str(model), device=device, disable_pbar=True, max_wait_ms=2, **options)


class Asking:
    """Several requests, each a call or a live stream from end to end."""

    def __init__(self, calls: Sequence[Call], live: Sequence[LiveJob]) -> None:
        self._calls, self._live = calls, live
        self.kinds = len(calls) + len(live)

    @classmethod
    def of(cls, case: FamilyCase) -> Asking:
        """Recordings with all options of a family, and streams."""
        given, calls = [case.given(clip) for clip in CLIPS], case.calls
        count = max(len(given), len(calls)) if calls else 0
        pairs = [(given[i % len(given)], calls[i % len(calls)]) for i in range(count)]
        return cls(pairs, case.live(3)[2 if calls else 1 :] if case.live else [])

    def one(self, model: AutoModel, number: int) -> str:
        number %= self.kinds
        if number < len(self._live):
            return "|".join(live_answers(model, self._live[number]))
        data, options = self._calls[number - len(self._live)]
        result = model.generate(data, **options)[0]
        if result.get("errors"):  # a recording in segments: what the others said is in it
            raise InferenceError(str(result["errors"]))
        return said(result)

    def each(self, model: AutoModel) -> list[str]:
        return [self.one(model, number) for number in range(self.kinds)]

    def all_at_once(self, model: AutoModel, error: type[Exception]) -> list[str | Exception]:
        """Each twice, by several callers: answers, or errors of the kind that may come."""

        def ask(number: int) -> str | Exception:
            try:
                return self.one(model, number)
            except error as found:
                return found.with_traceback(None)  # which knows frames, and those the model

        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(ask, range(2 * self.kinds)))


def failed_among(got: Sequence[str | Exception], expected: Sequence[str]) -> list[str]:
    """What errors say; the answers must be right."""
    errors = []
    for number, one in enumerate(got):
        if isinstance(one, Exception):
            errors.append(str(one))
        else:
            assert one == expected[number % len(expected)]
    return errors


def check_counters(model: AutoModel) -> None:
    """Whoever came has ended, in one way."""
    stats = model.stats()
    assert stats["submitted"] == sum(
        stats[how] for how in ("completed", "failed", "cancelled", "expired")
    )
    calls = stats["calls"]
    assert calls["begun"] == calls["answered"] + calls["failed"] + calls["cancelled"]


def one_of_two_breaks(asking: Asking, load_it: Callable[[], AutoModel]) -> None:
    """The other one answers whoever comes then."""
    with load_it() as model:
        expected = asking.each(model)
        fakegpu.break_after(MANY)
        assert failed_among(asking.all_at_once(model, InferenceError), expected) == []
        fakegpu.break_after((MANY - fakegpu.calls_left()) // 3)
        try:
            errors = failed_among(asking.all_at_once(model, InferenceError), expected)
            # Where nobody has asked it for anything since, the next one finds out.
            errors += failed_among(asking.all_at_once(model, InferenceError), expected)
            assert errors, "it did not break"
            assert all("out of order" in error for error in errors)
            assert asking.each(model) == expected
            check_counters(model)
            assert sorted(one["out_of_order"] for one in model.stats()["devices"]) == [0, 1]
            model.close()  # on a device that is still broken
        finally:
            fakegpu.break_devices()
    del model
    gc.collect()
    fakegpu.take_races()  # nobody could wait for what was queued


@of_every_network
@on_fake_device
def test_one_of_two_breaks_under_load(name: str, bundle: Path) -> None:
    one_of_two_breaks(Asking.of(NAMED[name]), lambda: load(bundle, BOTH, num_workers=2))


@on_fake_device
def test_one_of_two_breaks_under_recordings_in_segments(pipeline: dict[str, str]) -> None:
    """They need several networks, which share the devices."""
    calls: list[Call] = [(conversation(length, seed), {}) for seed, length in enumerate((4, 9, 6))]
    one_of_two_breaks(Asking(calls, []), lambda: load(**pipeline, device=BOTH, num_workers=2))


@of_every_network
@on_fake_device
@pytest.mark.slow
def test_the_only_one_breaks_under_load(name: str, bundle: Path) -> None:
    """Everybody is told; and had it come back, it would answer as before."""
    asking = Asking.of(NAMED[name])
    with load(bundle, HERE, num_workers=2) as model:
        expected = asking.each(model)
        fakegpu.break_after(MANY)
        assert failed_among(asking.all_at_once(model, InferenceError), expected) == []
        count, broke = MANY - fakegpu.calls_left(), 0
        for part in range(12):
            fakegpu.break_after(part * count // 12)
            try:
                errors = failed_among(asking.all_at_once(model, InferenceError), expected)
            finally:
                fakegpu.break_devices()
            broke += bool(errors)  # not always: where more share batches there are fewer calls
            assert all("out of order" in error for error in errors)
            assert asking.each(model) == expected
        assert broke > 6
        check_counters(model)
    del model
    gc.collect()
    fakegpu.take_races()


@of_every_network
@on_fake_device
def test_memory_runs_out_under_load(name: str, bundle: Path) -> None:
    """For good, which ends in errors, and for a moment, which whoever waits outlives."""
    asking = Asking.of(NAMED[name])
    gc.collect()
    before = fakegpu.counters()["live_bytes"]
    with load(bundle, HERE, num_workers=2) as model:
        expected = asking.each(model)
        fakegpu.reset()
        assert failed_among(asking.all_at_once(model, OutOfMemoryError), expected) == []
        count = fakegpu.counters()["allocations"]
        failed = 0
        for part, times in ((0, MANY), (2, 1), (3, MANY)):
            fakegpu.reset()
            fakegpu.fail_allocations(after=part * count // 4, times=times)
            errors = failed_among(asking.all_at_once(model, OutOfMemoryError), expected)
            assert all("out of memory" in error for error in errors)
            failed += len(errors)
        fakegpu.reset()
        assert failed > 0
        assert asking.each(model) == expected
        check_counters(model)
    del model
    gc.collect()
    assert fakegpu.counters()["live_bytes"] == before, "failures keep memory"
