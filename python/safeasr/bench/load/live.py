"""Sessions under load, on an event loop: everyone speaks in real time, whatever the target does.

The schedule is absolute: chunk k of an utterance is due when its last sample was spoken. A target
that does not take a chunk in time gets the next ones as soon as it does; that is its delay, and
shows in the latencies. One that the tester could not hand over in time is the tester's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.load.calls import all_of, until
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.loads import Load, Sessions
from safeasr.bench.load.records import NEVER, Heard, Outcome
from safeasr.bench.load.turns import SpeakerTurns
from safeasr.bench.load.wheel import Wheel
from safeasr.bench.targets.base import Session, Target

__all__ = ["drive_sessions"]


async def drive_sessions(
    drive: Drive, target: Target, load: Load, part: int = 0, parts: int = 1
) -> None:
    """Run all sessions of this generator to their end."""
    kind = load.kind
    assert isinstance(kind, Sessions)
    wheel = Wheel(drive.begin)

    async def speaker(number: int) -> None:
        turns = SpeakerTurns(drive, kind, number * parts + part, kind.sessions * parts)
        while not turns.over:
            if not await until(drive, turns.begin):
                return
            turns.begin = wheel.on_grid(turns.begin) if kind.paced else time.monotonic()
            await _utterance(drive, target, wheel, turns.clip, turns.begin, load, kind)
            turns.spoken()

    await all_of(drive, [asyncio.ensure_future(speaker(n)) for n in range(kind.sessions)])


async def _utterance(
    drive: Drive,
    target: Target,
    wheel: Wheel,
    which: int,
    begin: float,
    load: Load,
    kind: Sessions,
) -> None:
    drive.asked += 1
    drive.in_flight += 1
    records, clip = drive.records, drive.clips[which]
    heard = Heard()
    spoken = begin + clip.seconds
    session: Session | None = None
    slipped = 0.0
    outcome, what, done = Outcome.ANSWERED, -1, NEVER
    sent = time.monotonic()
    try:
        session = await asyncio.wait_for(target.session(clip, heard.note), load.timeout_s)
        # One limit for all chunks: one for each would cost more than to send it.
        speaking = _speak(drive, wheel, session, clip, begin, kind)
        slipped = await asyncio.wait_for(speaking, clip.seconds + load.timeout_s)
        answer = await asyncio.wait_for(session.answer(), load.timeout_s)
        done = time.monotonic() if answer.done is None else answer.done
        what = records.answered(which, answer)
        session = None
    except asyncio.TimeoutError:
        outcome, what = Outcome.LOST, records.nothing(clip.name, load.timeout_s)
    except Exception as error:
        outcome, what = records.failed(error)
    finally:
        drive.in_flight -= 1
        if session is not None:
            with contextlib.suppress(Exception):
                await session.abandon()
    records.add(
        which,
        begin,
        sent,
        outcome,
        what,
        done=time.monotonic() if done != done else done,
        spoken=spoken if kind.paced else begin,
        first_partial=heard.partial,
        first_final=heard.final,
        second=heard.second,
        slipped=slipped,
    )


async def _speak(
    drive: Drive, wheel: Wheel, session: Session, clip: Clip, begin: float, kind: Sessions
) -> float:
    """Hand over all chunks; returns by how many seconds the latest was held up by the target."""
    records, samples = drive.records, clip.samples
    step = kind.chunk_ms * SAMPLE_RATE // 1000
    answers_each = bool(getattr(session, "answers_each_chunk", False))
    slipped = 0.0
    free = begin  # since when the target has taken everything
    for at in range(0, len(samples), step):
        piece = samples[at : at + step]
        due = begin + (at + len(piece)) / SAMPLE_RATE
        if kind.paced:
            await wheel.until(due)
            now = time.monotonic()
            slipped = max(slipped, free - due)
            records.late.append(max(0.0, now - max(due, free)))
        else:
            due = time.monotonic()
        await session.send(piece, at + step >= len(samples))
        free = time.monotonic()
        if answers_each:
            records.chunk_latency.append(free - due)
    return slipped
