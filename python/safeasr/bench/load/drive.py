"""Calls under load: sends what was planned when it was planned, and notes what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.loads import Closed, Load, Rate, clip_order
from safeasr.bench.load.records import Outcome, Records
from safeasr.bench.targets.base import RefusedError, Target

__all__ = ["Drive", "call_once", "drive_calls", "error_kind", "message_of"]


def error_kind(error: BaseException) -> str:
    """What an error is counted under: what it calls itself, or its type's name."""
    return str(getattr(error, "kind", "") or type(error).__name__)


def message_of(error: BaseException) -> str:
    """What it says, in one line, without the kind that some put before it."""
    said = getattr(error, "message", None)
    if said is None:
        said = str(error) or repr(error)
    return " ".join(str(said).split())[:500]


@dataclass
class Drive:
    """What is under way.

    Attributes:
        target: what is asked.
        clips: what is said.
        begin: moment of the load's second 0, by :func:`time.monotonic`.
        records: what ended.
        stop: set when no new request may begin.
        asked: requests that were begun.
        in_flight: those that have not ended.
        lags: how late the loop that sends was, looked at fifty times a second, in seconds.
    """

    target: Target
    clips: Sequence[Clip]
    begin: float
    records: Records = field(default_factory=Records)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    in_flight: int = 0
    lags: array[float] = field(default_factory=lambda: array("d"))

    async def until(self, moment: float) -> bool:
        """Wait for a moment; False if the load was stopped meanwhile."""
        while not self.stop.is_set():
            wait = moment - time.monotonic()
            if wait <= 0:
                return True
            await asyncio.sleep(min(wait, 0.5))  # so that a stop is seen
        return False

    async def all_of(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        """Wait for all; once the load is stopped, for none: what is under way is given up."""
        together = asyncio.gather(*tasks)
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            either: set[asyncio.Future[Any]] = {together, stopped}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not together.done():
                together.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await together
        finally:
            stopped.cancel()


async def call_once(drive: Drive, clip: int, due: float | None, timeout_s: float) -> None:
    """Ask for one clip, planned for a moment (None: for now), and note how it ended."""
    drive.asked += 1
    drive.in_flight += 1
    records = drive.records
    began = time.monotonic()
    due = began if due is None else due
    try:
        answer = await asyncio.wait_for(drive.target.transcribe(drive.clips[clip]), timeout_s)
    except asyncio.CancelledError:
        raise  # the load was cut short: neither answered nor lost
    except RefusedError as refused:
        what = records.error(refused.kind, refused.message)
        records.add(clip, due, began, Outcome.REFUSED, what, done=time.monotonic())
    except asyncio.TimeoutError:
        what = records.error("no answer", f"{drive.clips[clip].name}: none within {timeout_s:g} s")
        records.add(clip, due, began, Outcome.LOST, what, done=time.monotonic())
    except Exception as error:
        what = records.error(error_kind(error), message_of(error))
        records.add(clip, due, began, Outcome.FAILED, what, done=time.monotonic())
    else:
        sent = began if answer.sent is None else answer.sent
        done = time.monotonic() if answer.done is None else answer.done
        what = records.answered(clip, answer)
        records.add(clip, due, sent, Outcome.ANSWERED, what, done=done)
    finally:
        drive.in_flight -= 1


async def drive_calls(drive: Drive, load: Load, part: int = 0, parts: int = 1) -> None:
    """Run a closed load, or this generator's share of a planned one, to its end."""
    if isinstance(load.kind, Closed):
        await _closed(drive, load, load.kind)
    else:
        assert isinstance(load.kind, Rate)
        await _planned(drive, load, load.kind, part, parts)


async def _closed(drive: Drive, load: Load, kind: Closed) -> None:
    order = itertools.cycle(clip_order(len(drive.clips), load.seed).tolist())
    left = kind.requests if kind.requests is not None else None
    end = drive.begin + (kind.seconds or 0.0)

    async def caller() -> None:
        nonlocal left
        while not drive.stop.is_set():
            if left is None:
                if time.monotonic() >= end:
                    return
            elif left == 0:
                return
            else:
                left -= 1
            await call_once(drive, next(order), None, load.timeout_s)

    await drive.until(drive.begin)
    await drive.all_of([asyncio.ensure_future(caller()) for _ in range(kind.callers)])


async def _planned(drive: Drive, load: Load, kind: Rate, part: int, parts: int) -> None:
    order = clip_order(len(drive.clips), load.seed)
    moments = kind.arrivals()
    most = max(1, kind.most_in_flight // parts)
    tasks: set[asyncio.Future[None]] = set()
    # What is planned next may only leave once there is room; until then it grows later, which its
    # latency from the planned moment shows.
    room = asyncio.Semaphore(most)

    def ended(task: asyncio.Future[None]) -> None:
        tasks.discard(task)
        room.release()

    blocked_until = drive.begin
    for number in range(part, len(moments), parts):
        due = drive.begin + float(moments[number])
        if not await drive.until(due):
            break
        full = room.locked()
        await room.acquire()
        if drive.stop.is_set():
            break
        now = time.monotonic()
        if full:
            blocked_until = now
        # What fell due while there was no room is the target's delay, and no fault of the tester.
        if due < blocked_until:
            drive.records.held_back += 1
        else:
            drive.records.late.append(now - due)
        clip = int(order[number % len(order)])
        task = asyncio.ensure_future(call_once(drive, clip, due, load.timeout_s))
        tasks.add(task)
        task.add_done_callback(ended)
    await drive.all_of(list(tasks))
