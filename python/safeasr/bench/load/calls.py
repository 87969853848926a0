"""Calls under load, on an event loop: sent when it was planned, and noted what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence

from safeasr.bench.load.drive import Drive
from safeasr.bench.load.loads import Closed, Load, Rate, clip_order
from safeasr.bench.load.records import Outcome
from safeasr.bench.load.turns import CallTurns
from safeasr.bench.targets.base import Target

__all__ = ["all_of", "call_once", "drive_calls", "until"]

#: How often one looks whether the load was stopped, in s.
LOOK_S = 0.2


async def until(drive: Drive, moment: float) -> bool:
    """Wait for a moment; False if the load was stopped meanwhile."""
    while not drive.stop.is_set():
        wait = moment - time.monotonic()
        if wait <= 0:
            return True
        await asyncio.sleep(min(wait, LOOK_S))
    return False


async def all_of(drive: Drive, tasks: Sequence[asyncio.Future[None]]) -> None:
    """Wait for all; once the load is stopped, for none: what is under way is given up."""
    together = asyncio.gather(*tasks)
    while not together.done():
        await asyncio.wait([together], timeout=LOOK_S)
        if drive.stop.is_set() and not together.done():
            together.cancel()
            break
    with contextlib.suppress(asyncio.CancelledError):
        await together


async def call_once(
    drive: Drive, target: Target, clip: int, due: float | None, timeout_s: float
) -> None:
    """Ask for one clip, planned for a moment (None: for now), and note how it ended."""
    drive.asked += 1
    drive.in_flight += 1
    records = drive.records
    began = time.monotonic()
    due = began if due is None else due
    try:
        answer = await asyncio.wait_for(target.transcribe(drive.clips[clip]), timeout_s)
    except asyncio.CancelledError:
        raise  # the load was cut short: neither answered nor lost
    except asyncio.TimeoutError:
        what = records.nothing(drive.clips[clip].name, timeout_s)
        records.add(clip, due, began, Outcome.LOST, what, done=time.monotonic())
    except Exception as error:
        outcome, what = records.failed(error)
        records.add(clip, due, began, outcome, what, done=time.monotonic())
    else:
        sent = began if answer.sent is None else answer.sent
        done = time.monotonic() if answer.done is None else answer.done
        what = records.answered(clip, answer)
        records.add(clip, due, sent, Outcome.ANSWERED, what, done=done)
    finally:
        drive.in_flight -= 1


async def drive_calls(
    drive: Drive, target: Target, load: Load, part: int = 0, parts: int = 1
) -> None:
    """Run a closed load, or this generator's share of a planned one, to its end."""
    if isinstance(load.kind, Closed):
        await _closed(drive, target, load, load.kind.callers)
    else:
        assert isinstance(load.kind, Rate)
        await _planned(drive, target, load, load.kind, part, parts)


async def _closed(drive: Drive, target: Target, load: Load, callers: int) -> None:
    turns = CallTurns(drive, load)

    async def caller() -> None:
        while (clip := turns.next()) is not None:
            await call_once(drive, target, clip, None, load.timeout_s)

    await until(drive, drive.begin)
    await all_of(drive, [asyncio.ensure_future(caller()) for _ in range(callers)])


async def _planned(
    drive: Drive, target: Target, load: Load, kind: Rate, part: int, parts: int
) -> None:
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
        if not await until(drive, due):
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
        task = asyncio.ensure_future(call_once(drive, target, clip, due, load.timeout_s))
        tasks.add(task)
        task.add_done_callback(ended)
    await all_of(drive, list(tasks))
