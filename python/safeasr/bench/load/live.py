"""Sessions under load: everyone speaks in real time, whatever the target does.

The schedule is absolute: chunk k of an utterance is due when its last sample was spoken. A target
that does not take a chunk in time gets the next ones as soon as it does; that is its delay, and
shows in the latencies. One that the tester could not hand over in time is the tester's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import SAMPLE_RATE, Clip
from safeasr.bench.load.drive import Drive, error_kind, message_of
from safeasr.bench.load.loads import Load, Sessions
from safeasr.bench.load.records import NEVER, Outcome
from safeasr.bench.load.wheel import Wheel
from safeasr.bench.targets.base import Event, RefusedError, Session

__all__ = ["drive_sessions", "scripts"]


def scripts(clips: Sequence[Clip], count: int, seconds: float, seed: int = 0) -> list[Clip]:
    """What sessions say: clips with pauses between them, as people who also listen.

    Args:
        clips: to choose from.
        count: how many different scripts.
        seconds: their length, roughly: one that would be longer begins no other clip.
        seed: of the choice.

    Returns:
        clips of their own; the reference is there if all that is said has one.
    """
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        parts: list[NDArray[np.float32]] = []
        said: list[str | None] = []
        length = 0
        for place, which in enumerate(random.permutation(np.arange(8 * len(clips)) % len(clips))):
            clip = clips[int(which)]
            if length and length + len(clip.samples) > seconds * SAMPLE_RATE:
                break
            if place:
                # Not zeros, which no microphone gives.
                pause = int(random.uniform(0.4, 2.0) * SAMPLE_RATE)
                parts.append((1e-4 * random.standard_normal(pause)).astype(np.float32))
                length += pause
            parts.append(clip.samples)
            said.append(clip.reference)
            length += len(clip.samples)
        known = [text for text in said if text is not None]
        made.append(
            Clip(
                f"script {number}",
                np.concatenate(parts),
                reference=" ".join(known) if len(known) == len(said) else None,
                options=clips[0].options,
            )
        )
    return made


@dataclass
class _Heard:
    """When what was heard first and last."""

    partial: float = NEVER
    final: float = NEVER
    second: float = NEVER

    def note(self, event: Event) -> None:
        if not event.text:
            return
        if event.kind == "partial":
            if self.partial != self.partial:
                self.partial = event.at
            return
        if self.final != self.final:
            self.final = event.at
        if event.kind == "second":
            self.second = event.at


async def drive_sessions(drive: Drive, load: Load, part: int = 0, parts: int = 1) -> None:
    """Run all sessions of this generator to their end."""
    kind = load.kind
    assert isinstance(kind, Sessions)
    spread = min(max(clip.seconds for clip in drive.clips), kind.seconds / 2) if kind.paced else 0.0
    # So long after the last one began: from then on everyone speaks.
    end = drive.begin + spread + kind.seconds
    wheel = Wheel(drive.begin)

    async def speaker(number: int) -> None:
        # Speakers begin spread over what one says, as they would, and not all with one chunk.
        everyone = kind.sessions * parts
        place = (number * parts + part) / everyone
        which = number * parts + part
        begin = drive.begin + place * spread
        rounds = 0
        while (rounds < kind.rounds) if not kind.paced else (begin < end):
            if not await drive.until(begin):
                return
            clip = which % len(drive.clips)
            begin = wheel.on_grid(begin) if kind.paced else time.monotonic()
            await _utterance(drive, wheel, clip, begin, load, kind)
            rounds += 1
            which += kind.sessions * parts + 1
            now = time.monotonic()
            begin = max(begin + drive.clips[clip].seconds + 0.2, now) if kind.paced else now

    await drive.all_of([asyncio.ensure_future(speaker(n)) for n in range(kind.sessions)])


async def _utterance(
    drive: Drive, wheel: Wheel, which: int, begin: float, load: Load, kind: Sessions
) -> None:
    drive.asked += 1
    drive.in_flight += 1
    records, clip = drive.records, drive.clips[which]
    heard = _Heard()
    spoken = begin + clip.seconds
    session: Session | None = None
    slipped = 0.0
    outcome, what, done = Outcome.ANSWERED, -1, NEVER
    sent = time.monotonic()
    try:
        session = await asyncio.wait_for(drive.target.session(clip, heard.note), load.timeout_s)
        # One limit for all chunks: one for each would cost more than to send it.
        speaking = _speak(drive, wheel, session, clip, begin, kind)
        slipped = await asyncio.wait_for(speaking, clip.seconds + load.timeout_s)
        answer = await asyncio.wait_for(session.answer(), load.timeout_s)
        done = time.monotonic() if answer.done is None else answer.done
        what = records.answered(which, answer)
        session = None
    except asyncio.CancelledError:
        drive.asked -= 1
        raise
    except RefusedError as refused:
        outcome, what = Outcome.REFUSED, records.error(refused.kind, refused.message)
    except asyncio.TimeoutError:
        message = f"{clip.name}: none within {load.timeout_s:g} s"
        outcome, what = Outcome.LOST, records.error("no answer", message)
    except Exception as error:
        outcome, what = Outcome.FAILED, records.error(error_kind(error), message_of(error))
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
