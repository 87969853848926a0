"""The processes that generate the load, seen from the one that reports."""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.generator import generate
from safeasr.bench.load.loaded import Alone, Loaded, Progress
from safeasr.bench.load.loads import Load, Sessions
from safeasr.bench.load.printed import last_lines
from safeasr.bench.load.records import merged
from safeasr.bench.targets.base import Options, TargetError

__all__ = ["Fleet"]

_START_S = 0.5  # from the order to begin to the first request
_LOOK_S = 0.2  # how often one looks whether the load is to be stopped


class Fleet:
    """Generators of one target; a context manager.

    Args:
        spec: the target, as the user writes it.
        options: of the target.
        clips: what is said.
        processes: how many; targets in process have one.

    Raises:
        TargetError: when opened, if the target cannot be used.
    """

    def __init__(
        self, spec: str, options: Options, clips: Sequence[Clip], processes: int = 1
    ) -> None:
        self.spec = spec
        self._options = options
        self._clips = clips
        self._count = processes
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self._folder = tempfile.TemporaryDirectory(prefix="safeasr-bench-")
        self._stop_asked = False
        self.stopped = False
        self.about: dict[str, Any] = {}

    @property
    def pids(self) -> list[int]:
        """The generators' process ids."""
        return [process.pid for process in self._processes]

    def __enter__(self) -> Fleet:
        context = multiprocessing.get_context("spawn")
        for part in range(self._count):
            ours, theirs = context.Pipe()
            log = str(Path(self._folder.name) / f"{part}.log")
            process = context.Process(target=generate, args=(theirs, part, self._count, log))
            process.start()
            theirs.close()  # so that a child that dies is an EOFError here
            self._pipes.append(ours)
            self._processes.append(process)
        try:
            for pipe in self._pipes:
                pipe.send(("open", self.spec, self._options, list(self._clips)))
            for pipe in self._pipes:
                self.about = self._expect(pipe, "opened")[0]
        except BaseException as error:
            self.close(at_once=isinstance(error, KeyboardInterrupt))
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(at_once=self.stopped or kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the generators; those that do not end by themselves, soon or at once, are killed."""
        for pipe in self._pipes:
            pipe.close()
        try:
            for process in self._processes:
                process.join(1 if at_once else 15)
        finally:
            for process in self._processes:
                if process.is_alive():
                    process.kill()
                process.join()
            self._folder.cleanup()

    def stop(self) -> None:
        """Begin nothing new and give up what is under way, soon. A signal handler may call it."""
        self._stop_asked = True

    def alone(
        self,
        sessions: Sessions | None,
        timeout_s: float,
        on_answer: Callable[[int], None] = lambda number: None,
        clips: int | None = None,
    ) -> Alone:
        """Ask for each clip, or the first few, one after the other, by calls or by sessions."""
        pipe = self._pipes[0]
        self._send(pipe, ("alone", sessions, timeout_s, clips))
        found = Alone()
        while True:
            kind, *values = self._receive(pipe)
            if kind == "alone":
                found.answers.append(values[1])
                on_answer(values[0])
            elif kind == "alone failed":
                found.errors.append((values[0], values[1], values[2]))
            elif kind == "alone ended":
                return found

    def run(
        self, load: Load, on_progress: Callable[[Progress], None] = lambda progress: None
    ) -> Loaded:
        """Run a load to its end, or until :meth:`stop`.

        Raises:
            TargetError: a generator died, with the last lines of what it printed.
        """
        begin = time.monotonic() + _START_S
        for pipe in self._pipes:
            self._send(pipe, ("load", load, begin))
        latest: dict[int, Progress] = {}
        fresh: set[int] = set()
        progress: list[Progress] = []
        ended: dict[int, Loaded] = {}
        while len(ended) < len(self._pipes):
            if self._stop_asked and not self.stopped:
                self.stopped = True
                for pipe in self._pipes:
                    with contextlib.suppress(OSError):
                        pipe.send(("stop",))
            waiting = [p for i, p in enumerate(self._pipes) if i not in ended]
            for ready in wait(waiting, _LOOK_S):
                assert isinstance(ready, Connection)
                number = self._pipes.index(ready)
                kind, *values = self._receive(ready)
                if kind == "progress":
                    latest[number] = Progress(*values)
                    fresh.add(number)
                    if len(fresh | ended.keys()) == len(self._pipes):
                        progress.append(_sum(list(latest.values())))
                        on_progress(progress[-1])
                        fresh.clear()
                elif kind == "ended":
                    records, lags, end, given_up, cpu_s = values
                    ended[number] = Loaded(
                        records, begin, end, np.asarray(lags), given_up=given_up, cpu_s=cpu_s
                    )
        parts = [ended[number] for number in sorted(ended)]
        return Loaded(
            merged([part.records for part in parts]),
            begin,
            max(part.end for part in parts),
            np.concatenate([part.lags for part in parts]),
            progress,
            sum(part.given_up for part in parts),
            sum(part.cpu_s for part in parts),
        )

    def _expect(self, pipe: Connection, kind: str) -> tuple[Any, ...]:
        found, *values = self._receive(pipe)
        if found != kind:
            raise TargetError(f"{self.spec}: expected {kind!r} of the generator, got {found!r}")
        return tuple(values)

    def _send(self, pipe: Connection, order: tuple[Any, ...]) -> None:
        try:
            pipe.send(order)
        except OSError as error:
            raise self._died(pipe) from error

    def _died(self, pipe: Connection) -> TargetError:
        """What there is to say of a generator that ended by itself."""
        number = self._pipes.index(pipe)
        self._processes[number].join(5)
        code = self._processes[number].exitcode
        lines = last_lines(Path(self._folder.name) / f"{number}.log", 5)
        said = "\n".join(["", *lines])
        return TargetError(f"{self.spec}: the process that held it ended with {code}{said}")

    def _receive(self, pipe: Connection) -> tuple[Any, ...]:
        try:
            message: tuple[Any, ...] = pipe.recv()
        except (EOFError, OSError) as error:
            raise self._died(pipe) from error
        if message[0] == "failed":
            raise TargetError(message[1])
        return message


def _sum(parts: Sequence[Progress]) -> Progress:
    return Progress(
        max(part.at for part in parts),
        sum(part.asked for part in parts),
        sum(part.in_flight for part in parts),
        sum(part.ended for part in parts),
        parts[0].stats,
    )
