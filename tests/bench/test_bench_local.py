"""Loads on functions of this process: callers and speakers in threads, and what is measured."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.noise import noise_clips, speech_like
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.bench.load.threads import drive_threads
from safeasr.bench.local import measure_calls, measure_sessions
from safeasr.bench.targets.functions import Function
from support.processes import run_to_end
from support.waiting import until


def clips_of(count: int, seconds: float = 0.5) -> list[Clip]:
    return [
        Clip(f"clip {n}", np.full(int(16000 * seconds), n, np.float32), options={})
        for n in range(count)
    ]


def name_of(samples: Any) -> str:
    return f"says {int(samples[0])}"


def test_calls_are_all_made_and_counted() -> None:
    callers, lock = set(), threading.Lock()

    def recognise(samples: Any) -> str:
        with lock:
            callers.add(threading.get_ident())
        time.sleep(0.02)
        return name_of(samples)

    found = measure_calls(recognise, clips_of(4), 3, passes=5)
    assert found.run.counts.asked == found.run.counts.right == 20
    assert len(callers) == 3 and threading.get_ident() not in callers
    assert found.texts == {f"clip {n}": {f"says {n}"} for n in range(4)}
    assert np.bincount(found.records.clip).tolist() == [5] * 4
    assert found.run.audio_s == 10.0 and found.errors == {}
    assert found.run.load["kind"] == "closed" and found.run.load["callers"] == 3
    assert len(found.latencies_s) == 20 and found.latencies_s.min() >= 0.02
    assert found.latency_ms(0) >= 20 and np.isnan(found.latency_ms(50, after=20))
    # From the first call to the last answer; three callers share the work.
    assert found.run.duration_s >= 7 * 0.02 and found.cpu_s >= 0


def test_for_some_seconds() -> None:
    found = measure_calls(lambda samples: time.sleep(0.01), clips_of(2), 2, seconds=0.3)
    assert found.run.counts.asked > 2 and found.run.duration_s >= 0.3
    for wrong in ({}, {"seconds": 1.0, "passes": 1}):
        with pytest.raises(ValueError, match="either"):
            measure_calls(name_of, clips_of(1), 1, **wrong)


def test_errors_and_refusals_are_counted_by_kind() -> None:
    class QueueFullError(Exception):
        pass

    def recognise(samples: Any) -> str:
        if samples[0] == 1:
            raise IndexError("list index\nout of range")
        if samples[0] == 2:
            raise QueueFullError("no room")
        if samples[0] == 3:
            sys.exit(1)
        return "well"

    found = measure_calls(recognise, clips_of(4), 4, passes=3)
    assert found.errors == {"IndexError": 3, "QueueFullError": 3, "SystemExit": 3}
    counts = found.run.counts
    assert (counts.right, counts.failed, counts.refused) == (3, 6, 3)
    assert found.texts == {"clip 0": {"well"}} and len(found.latencies_s) == 3


def test_what_hangs_is_lost_and_holds_nobody_up() -> None:
    free = threading.Event()
    hung: list[float] = []

    def recognise(samples: Any) -> str:
        if samples[0] == 1 and not hung:
            hung.append(0.0)
            free.wait(60)
        return name_of(samples)

    found = measure_calls(recognise, clips_of(3), 1, passes=4, timeout_s=0.2)
    assert found.errors == {"no answer": 1}
    counts = found.run.counts
    assert (counts.asked, counts.right, counts.lost) == (12, 11, 1)
    free.set()
    # Its answer, which comes now, is none of the load's any more.
    time.sleep(0.1)
    assert len(found.records) == 12


def test_compared_with_what_is_said_alone() -> None:
    alone = measure_calls(name_of, clips_of(4), 1, passes=1)
    lock, calls = threading.Lock(), iter(range(100))

    def recognise(samples: Any) -> str:
        with lock:
            odd = next(calls) == 5
        return "says 9" if odd else name_of(samples)

    found = measure_calls(recognise, clips_of(4), 2, passes=5, alone=alone)
    assert (found.run.counts.right, found.run.counts.different) == (19, 1)
    assert found.run.differences[0].got == "says 9"


class Speaker:
    """Counts what it hears; the text of each chunk is that of its first sample."""

    ended = 0

    def feed(self, samples: Any, last: bool) -> str:
        return f"{int(samples[0])}{'.' if last else ','}"

    def close(self) -> None:
        type(self).ended += 1


def test_sessions_say_their_clips_chunk_by_chunk() -> None:
    Speaker.ended = 0
    clips = clips_of(3, 0.5)
    alone = measure_sessions(Speaker, clips, 1, chunk_ms=200, paced=False, rounds=3)
    assert {name: answers[0].text for name, answers in alone.answers.items()} == {
        f"clip {n}": f"{n},{n},{n}." for n in range(3)
    }
    assert alone.answers["clip 1"][0].times == ("1,", "1,", "1.")
    found = measure_sessions(Speaker, clips, chunk_ms=200, alone=alone)
    assert found.run.counts.right == 3 and Speaker.ended == 6
    assert len(found.latencies_s) == 9 and len(found.records.late) == 9
    # They begin within one chunk, and each speaks as long as its clip lasts.
    due = found.records.column("due")
    assert np.allclose(np.sort(due) - due.min(), [0, 0.2 / 3, 0.4 / 3], atol=1e-6)
    assert np.allclose(found.records.column("spoken") - due, 0.5)
    assert found.run.duration_s >= 0.633  # in whole ms
    assert (found.records.column("done") >= found.records.column("spoken")).all()


def test_one_chunk_with_another_text_is_a_difference() -> None:
    def open_session(late: bool = False) -> Any:
        heard: list[str] = []

        def feed(samples: Any, last: bool) -> str:
            heard.append("x")
            return "a b" if len(heard) == (2 if late else 1) else ""

        return feed

    clips = [Clip("clip", np.zeros(16000, np.float32))]
    alone = measure_sessions(open_session, clips, chunk_ms=500, paced=False)
    same = measure_sessions(open_session, clips, chunk_ms=500, paced=False, alone=alone)
    later = [Clip("clip", clips[0].samples, options={"late": True})]
    other = measure_sessions(open_session, later, chunk_ms=500, paced=False, alone=alone)
    assert (same.run.counts.right, other.run.counts.different) == (1, 1)


def test_sessions_that_fail_or_hang() -> None:
    free = threading.Event()

    def open_session() -> Any:
        def feed(samples: Any, last: bool) -> str:
            if samples[0] == 1:
                raise RuntimeError("broken")
            if samples[0] == 2:
                free.wait(60)
            return ""

        return feed

    kinds = {"chunk_ms": 100, "paced": False, "rounds": 2, "timeout_s": 0.2}
    found = measure_sessions(open_session, clips_of(3, 0.2), **kinds)
    free.set()
    # Each session says its own clip, then the next one's.
    assert found.errors == {"RuntimeError": 2, "no answer": 2}
    assert found.run.counts.asked == 6 and found.run.counts.right == 2


@pytest.mark.parametrize("kind", [Closed(3, 600.0), Sessions(3, 600.0, 100)])
def test_a_load_that_is_stopped_leaves_what_is_under_way(kind: Closed | Sessions) -> None:
    free, at_work = threading.Event(), threading.Semaphore(0)

    def wait(*_: Any) -> str:
        at_work.release()
        free.wait(60)
        return "x"

    drive = Drive(clips_of(2), time.monotonic())
    arguments = (drive, Function(wait, lambda: wait), Load(kind))
    driving = threading.Thread(target=drive_threads, args=arguments, daemon=True)
    driving.start()
    for _ in range(3 if isinstance(kind, Closed) else 1):
        assert at_work.acquire(timeout=60)
    drive.stop.set()
    until(lambda: not driving.is_alive())
    free.set()
    time.sleep(0.05)
    assert len(drive.records) == 0 and drive.asked >= 1


def test_nothing_but_numpy_is_needed() -> None:
    # Systems that are compared are measured in processes that have their own libraries alone.
    code = (
        "import sys; import safeasr.bench.local; "
        "named = {name.partition('.')[0] for name in sys.modules}; "
        "print(sorted(named & {'torch', 'soundfile', 'httpx', 'psutil', 'asyncio', 'rich', 'av'}))"
    )
    done = run_to_end([sys.executable, "-c", code])
    assert done.stdout.strip() == "[]", done.stderr


def test_noise_is_the_same_each_time() -> None:
    clips = noise_clips(5, 0.5, 1.0, seed=3)
    assert sorted(clip.seconds for clip in clips) == pytest.approx([0.5, 0.62, 0.75, 0.88, 1.0])
    for clip, again in zip(clips, noise_clips(5, 0.5, 1.0, seed=3)):
        assert clip.name == again.name and (clip.samples == again.samples).all()
        assert clip.samples.dtype == np.float32 and np.abs(clip.samples).max() <= 1
    assert not (speech_like(0.5, 1) == speech_like(0.5, 2)).all()
