"""Loads from threads, one a caller or speaker, on targets that block: models in this process.

A thread that calls, notes what came and calls again costs some microseconds a call. By way of an
event loop it would be a hundred and two changes of threads, and all of that would hold the
interpreter's lock, which the target needs for itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.loads import Closed, Load, Sessions
from safeasr.bench.load.records import Heard, Outcome
from safeasr.bench.load.turns import CallTurns, SpeakerTurns
from safeasr.bench.targets.base import Answer, Blocking, BlockingSession

__all__ = ["drive_threads"]

#: How often one looks who takes too long, and whether the load was stopped, in s.
LOOK_S = 0.1


class _StoppedError(Exception):
    """The load was stopped in the middle of an utterance."""


class _Request:
    """One that is under way.

    Attributes:
        clip: number of what is said.
        due, sent, spoken: see :class:`safeasr.bench.load.records.Records`.
        limit: moment from which it counts as lost.
        next: does the next one of the same caller, or returns None if there is none.
        heard: of a session.
        slipped: of a session, see :class:`safeasr.bench.load.records.Records`.
        given_up: whether its thread was replaced by another, because it was too late.
    """

    __slots__ = ("clip", "due", "given_up", "heard", "limit", "next", "sent", "slipped", "spoken")

    def __init__(self, clip: int, due: float, spoken: float, limit: float, next_: _Step) -> None:
        self.clip, self.due, self.sent, self.spoken = clip, due, time.monotonic(), spoken
        self.limit, self.next = limit, next_
        self.heard = Heard()
        self.slipped = 0.0
        self.given_up = False


_Step = Callable[[], "_Request | None"]


def drive_threads(drive: Drive, target: Blocking, load: Load, *, now: bool = False) -> None:
    """Run a closed load, or sessions, to their end.

    Args:
        drive: what is said from when on.
        target: what is asked.
        load: closed, or sessions.
        now: whether second 0 is the moment when all threads are there, whatever `drive` says.
    """
    crew = _Crew(drive, load)
    steps: Sequence[_Step]
    if isinstance(load.kind, Closed):
        turns = CallTurns(drive, load)
        steps = [crew.caller(turns, target.call)] * load.kind.callers
    else:
        assert isinstance(load.kind, Sessions)
        steps = [crew.speaker(target.begin, load.kind, n) for n in range(load.kind.sessions)]
    crew.run(steps, now)


class _Crew:
    """The threads, and the one that looks after them.

    Nothing can end a call that hangs. So its thread is left to itself, the request counts as lost,
    and another thread goes on in its place.
    """

    def __init__(self, drive: Drive, load: Load) -> None:
        self._drive, self._timeout_s = drive, load.timeout_s
        self._lock = threading.Lock()
        self._under_way: set[_Request] = set()
        self._at_work = 0
        self._go, self._over = threading.Event(), threading.Event()
        self._closed = False

    def run(self, steps: Sequence[_Step], now: bool) -> None:
        """Let a thread do each of the steps again and again, until all are at their end."""
        self._at_work = len(steps)
        for step in steps:
            self._start(step)
        try:
            if now:
                self._drive.begin = time.monotonic()
            self._drive.stop.wait(max(0.0, self._drive.begin - time.monotonic()))
            self._go.set()
            while not self._over.wait(LOOK_S) and not self._drive.stop.is_set():
                self._give_up_late()
        finally:
            with self._lock:
                self._closed = True  # what still comes is no part of the load
            self._drive.stop.set()
            self._go.set()

    def caller(self, turns: CallTurns, call: Callable[[Clip], Answer]) -> _Step:
        """What a caller does: ask for what is next."""

        def step() -> _Request | None:
            with self._lock:
                if (clip := turns.next()) is None:
                    return None
                began = time.monotonic()
                request = self._begun(clip, began, began, began + self._timeout_s, step)
            said: Answer | BaseException
            try:
                said = call(self._drive.clips[clip])
            except BaseException as error:  # in a thread, an exit is no more than another error
                said = error
            self._ended(request, said)
            return request

        return step

    def speaker(self, begin: Callable[..., BlockingSession], kind: Sessions, number: int) -> _Step:
        """What a speaker does: say what is next."""
        turns: SpeakerTurns | None = None

        def step() -> _Request | None:
            nonlocal turns
            if turns is None:
                turns = SpeakerTurns(self._drive, kind, number, kind.sessions)
            else:
                turns.spoken()
            if turns.over or self._stopped_before(turns.begin):
                return None
            if not kind.paced:
                turns.begin = time.monotonic()
            clip = self._drive.clips[turns.clip]
            spoken = turns.begin + clip.seconds if kind.paced else turns.begin
            limit = turns.begin + clip.seconds + self._timeout_s
            with self._lock:
                request = self._begun(turns.clip, turns.begin, spoken, limit, step)
            session: BlockingSession | None = None
            said: Answer | BaseException
            try:
                session = begin(clip, request.heard.note)
                self._speak(request, session, clip, kind)
                said = session.answer()
            except BaseException as error:
                said = error
                if session is not None:
                    with contextlib.suppress(Exception):
                        session.abandon()
            self._ended(request, said)
            return request

        return step

    def _speak(
        self, request: _Request, session: BlockingSession, clip: Clip, kind: Sessions
    ) -> None:
        records, samples = self._drive.records, clip.samples
        size = kind.chunk_ms * SAMPLE_RATE // 1000
        free = request.due  # since when the target has taken everything
        for at in range(0, len(samples), size):
            piece = samples[at : at + size]
            due = now = time.monotonic()
            if kind.paced:
                due = request.due + (at + len(piece)) / SAMPLE_RATE
                time.sleep(max(0.0, due - now))
                now = time.monotonic()
                request.slipped = max(request.slipped, free - due)
            if self._closed or request.given_up:
                raise _StoppedError
            late = now - max(due, free)
            session.send(piece, at + size >= len(samples))
            free = time.monotonic()
            with self._lock:
                if kind.paced:
                    records.late.append(max(0.0, late))
                records.chunk_latency.append(free - due)

    def _start(self, step: _Step) -> None:
        threading.Thread(target=self._work, args=(step,), daemon=True).start()

    def _work(self, step: _Step) -> None:
        request: _Request | None = None
        self._go.wait()
        try:
            while (request := step()) is not None and not request.given_up:
                pass
        finally:
            if request is None or not request.given_up:
                with self._lock:
                    self._at_work -= 1
                    if self._at_work == 0:
                        self._over.set()

    def _begun(self, clip: int, due: float, spoken: float, limit: float, step: _Step) -> _Request:
        request = _Request(clip, due, spoken, limit, step)
        self._under_way.add(request)
        self._drive.asked += 1
        self._drive.in_flight += 1
        return request

    def _ended(self, request: _Request, said: Answer | BaseException) -> None:
        done, sent = time.monotonic(), request.sent
        with self._lock:
            if self._closed or request.given_up:
                return
            records = self._drive.records
            if isinstance(said, Answer):
                outcome, what = Outcome.ANSWERED, records.answered(request.clip, said)
                done = done if said.done is None else said.done
                sent = sent if said.sent is None else said.sent
            else:
                outcome, what = records.failed(said)
            self._note(request, sent, outcome, what, done)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [one for one in self._under_way if now > one.limit]
            for one in late:
                one.given_up = True
                name = self._drive.clips[one.clip].name
                what = self._drive.records.nothing(name, self._timeout_s)
                self._note(one, one.sent, Outcome.LOST, what, now)
        for one in late:
            self._start(one.next)

    def _note(
        self, request: _Request, sent: float, outcome: Outcome, what: int, done: float
    ) -> None:
        self._under_way.discard(request)
        self._drive.in_flight -= 1
        heard = request.heard
        self._drive.records.add(
            request.clip,
            request.due,
            sent,
            outcome,
            what,
            done=done,
            spoken=request.spoken,
            first_partial=heard.partial,
            first_final=heard.final,
            second=heard.second,
            slipped=request.slipped,
        )

    def _stopped_before(self, moment: float) -> bool:
        """Wait for a moment; whether the load was stopped meanwhile."""
        return self._drive.stop.wait(max(0.0, moment - time.monotonic()))
