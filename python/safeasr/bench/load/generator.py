"""One process that generates load: it holds a target and does what its parent says.

In a process of its own, so that what FunASR does to a process (threads, logging, signals) stays
there, so that several can generate where one would be the bottleneck, and so that processor and
memory can be told apart from those of the report.

    parent to child: ("open", ...), ("alone",), ("load", ...), ("stop",), and the end of the pipe
    child to parent: ("opened", about), ("alone", ...), ("progress", ...), ("ended", records),
                     ("failed", message)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.calls import drive_calls
from safeasr.bench.load.drive import Drive
from safeasr.bench.load.live import drive_sessions
from safeasr.bench.load.loads import Load, Rate, Sessions
from safeasr.bench.load.printed import PrintedLog
from safeasr.bench.load.punctual import run_punctually
from safeasr.bench.load.records import error_kind, message_of
from safeasr.bench.load.threads import drive_threads
from safeasr.bench.targets.base import Answer, Options, Target, TargetError
from safeasr.bench.targets.table import make_target

__all__ = ["generate"]

PROGRESS_S = 0.5
LOOK_S = 0.02  # how often one looks how late the loop is


def generate(pipe: Connection, part: int, parts: int, log: str) -> None:
    """The process's whole life.

    Args:
        pipe: to the parent.
        part: which generator this is.
        parts: of how many.
        log: file for what libraries print.
    """
    # Both are the parent's, who says "stop", also where they are sent to all of a group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    PrintedLog(Path(log)).take_output()
    with contextlib.suppress(BrokenPipeError):
        run_punctually(_Generator(pipe, part, parts).live())
    # Threads of a target that hang in a call must not hold up the end.
    os._exit(0)


class _Generator:
    def __init__(self, pipe: Connection, part: int, parts: int) -> None:
        self._pipe = pipe
        self._part, self._parts = part, parts
        self._orders: asyncio.Queue[tuple[Any, ...] | None] = asyncio.Queue()
        self._target: Target | None = None
        self._clips: Sequence[Clip] = ()
        self._drive: Drive | None = None

    async def live(self) -> None:
        loop = asyncio.get_running_loop()

        def listen() -> None:
            order: tuple[Any, ...] | None = ()
            while order is not None:
                try:
                    order = self._pipe.recv()
                except (EOFError, OSError):
                    order = None
                loop.call_soon_threadsafe(self._take, order)

        threading.Thread(target=listen, daemon=True).start()
        while (order := await self._orders.get()) is not None:
            try:
                await getattr(self, f"_{order[0]}")(*order[1:])
            except TargetError as error:
                self._pipe.send(("failed", str(error)))
            except Exception:
                self._pipe.send(("failed", traceback.format_exc()))
        if self._target is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._target.close(), 10)

    def _take(self, order: tuple[Any, ...] | None) -> None:
        if order is None or order[0] == "stop":
            if self._drive is not None:
                self._drive.stop.set()
            if order is not None:
                return
        self._orders.put_nowait(order)

    async def _open(self, spec: str, options: Options, clips: Sequence[Clip]) -> None:
        self._clips = clips
        try:
            self._target = make_target(spec, options)
        except ValueError as error:
            raise TargetError(str(error)) from error
        self._pipe.send(("opened", await self._target.open()))

    async def _alone(self, sessions: Sessions | None, timeout_s: float, clips: int | None) -> None:
        """What the target says of each clip while it has nothing else to do."""
        assert self._target is not None

        for number, clip in enumerate(self._clips[:clips]):
            if number == 0:  # asked twice: first runs allocate, load and tune
                await self._patiently(clip, sessions, timeout_s)
            answer = await self._patiently(clip, sessions, timeout_s)
            if isinstance(answer, Answer):
                self._pipe.send(("alone", number, answer))
            else:
                kind, message = error_kind(answer), message_of(answer)
                self._pipe.send(("alone failed", clip.name, kind, message))
                self._pipe.send(("alone", number, None))
        self._pipe.send(("alone ended",))

    async def _patiently(
        self, clip: Clip, sessions: Sessions | None, timeout_s: float
    ) -> Answer | Exception:
        """The answer; a target that refuses or fails is asked once more, and once more."""
        found: Exception | None = None
        for pause in (0.0, 0.3, 1.0):
            await asyncio.sleep(pause)
            try:
                return await self._one(clip, sessions, timeout_s)
            except TargetError:
                raise
            except asyncio.TimeoutError:
                return TimeoutError(f"no answer within {timeout_s:g} s")
            except Exception as error:
                found = error
        assert found is not None
        return found

    async def _one(self, clip: Clip, sessions: Sessions | None, timeout_s: float) -> Answer:
        assert self._target is not None
        if sessions is None:
            return await asyncio.wait_for(self._target.transcribe(clip), timeout_s)
        session = await self._target.session(clip, lambda event: None)
        step = sessions.chunk_ms * 16
        for at in range(0, len(clip.samples), step):
            piece = clip.samples[at : at + step]
            await asyncio.wait_for(session.send(piece, at + step >= len(clip.samples)), timeout_s)
        return await asyncio.wait_for(session.answer(), timeout_s)

    async def _load(self, load: Load, begin: float) -> None:
        assert self._target is not None
        self._drive = drive = Drive(self._clips, begin)
        own = load.share(self._part, self._parts)
        watch = asyncio.ensure_future(self._watch(drive))
        # A collection of everything that a million requests left would stop the schedule.
        gc.collect()
        gc.freeze()
        cpu = time.process_time()
        try:
            if own is not None:
                await self._run(drive, self._target, own)
        finally:
            cpu = time.process_time() - cpu
            watch.cancel()
            self._drive = None
            gc.unfreeze()
        end, given_up = time.monotonic(), drive.asked - len(drive.records)
        await self._tell(drive)  # so that the target's counters are those of the whole load
        self._pipe.send(("ended", drive.records, drive.lags, end, given_up, cpu))

    async def _run(self, drive: Drive, target: Target, load: Load) -> None:
        blocking = getattr(target, "blocking", None)
        if blocking is not None and not isinstance(load.kind, Rate):
            await asyncio.to_thread(drive_threads, drive, blocking, load)
            return
        run = drive_sessions if isinstance(load.kind, Sessions) else drive_calls
        await run(drive, target, load, self._part, self._parts)

    async def _tell(self, drive: Drive) -> None:
        """Tell the parent how it goes."""
        assert self._target is not None
        stats: dict[str, float] = {}
        with contextlib.suppress(Exception):
            stats = await asyncio.wait_for(self._target.stats(), 5)
        self._pipe.send(
            (
                *("progress", time.monotonic(), drive.asked, drive.in_flight),
                *(len(drive.records), stats),
            )
        )

    async def _watch(self, drive: Drive) -> None:
        """Tell the parent twice a second how it goes, and note how late this loop itself is."""
        due = time.monotonic()
        while True:
            due += PROGRESS_S
            await self._tell(drive)
            while (wait := due - time.monotonic()) > 0:
                ask = min(wait, LOOK_S)
                began = time.monotonic()
                await asyncio.sleep(ask)
                lag = time.monotonic() - began - ask
                # A long lag stands for all looks that it kept from being taken.
                drive.lags.extend(lag - k * LOOK_S for k in range(1 + int(lag / LOOK_S)))
            due = max(due, time.monotonic())
