"""The processes that generate the load, seen from the one that reports."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.audio.clips import Clip
from safeasr.bench.load.generator import generate
from safeasr.bench.load.loads import Load, Sessions
from safeasr.bench.load.records import Records, merged
from safeasr.bench.targets.base import Answer, Options, TargetError

__all__ = ["Alone", "Fleet", "Loaded", "Progress"]

_START_S = 0.5  # from the order to begin to the first request


@dataclass
class Alone:
    """What a target says of each clip alone.

    Attributes:
        answers: by the clip's number; None where it failed.
        errors: of those: clip, kind, message.
    """

    answers: list[Answer | None] = field(default_factory=list)
    errors: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Progress:
    """How a load goes.

    Attributes:
        at: moment by :func:`time.monotonic`.
        asked: requests that were begun.
        in_flight: those under way.
        ended: those that ended.
        stats: the target's own numbers.
    """

    at: float
    asked: int
    in_flight: int
    ended: int
    stats: dict[str, float]


@dataclass
class Loaded:
    """What a load left.

    Attributes:
        records: of all requests that ended.
        begin: second 0, by :func:`time.monotonic`.
        end: moment of the last answer.
        lags: how late the sending loops were, (n,) in seconds.
        progress: how it went.
        given_up: requests that were under way when the load was stopped.
    """

    records: Records
    begin: float
    end: float
    lags: NDArray[np.float64]
    progress: list[Progress]
    given_up: int = 0


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
        """Begin nothing new and give up what is under way."""
        self.stopped = True
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.send(("stop",))

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

    def run(self, load: Load, on_progress: Callable[[Progress], None]) -> Loaded:
        """Run a load to its end, or until Ctrl-C or :meth:`stop`.

        Raises:
            TargetError: a generator died, with the last lines of what it printed.
        """
        begin = time.monotonic() + _START_S
        for pipe in self._pipes:
            self._send(pipe, ("load", load, begin))
        latest: dict[int, Progress] = {}
        fresh: set[int] = set()
        progress: list[Progress] = []
        ended: dict[int, tuple[Records, Any, float, int]] = {}
        while len(ended) < len(self._pipes):
            waiting = [p for i, p in enumerate(self._pipes) if i not in ended]
            for pipe in self._ready(waiting):
                assert isinstance(pipe, Connection)
                number = self._pipes.index(pipe)
                kind, *values = self._receive(pipe)
                if kind == "progress":
                    latest[number] = Progress(*values)
                    fresh.add(number)
                    if len(fresh | ended.keys()) == len(self._pipes):
                        progress.append(_sum(list(latest.values())))
                        on_progress(progress[-1])
                        fresh.clear()
                elif kind == "ended":
                    ended[number] = (values[0], values[1], values[2], values[3])
        parts = [ended[number] for number in sorted(ended)]
        lags = np.concatenate([np.asarray(lag, dtype=np.float64) for _, lag, _, _ in parts])
        records = merged([records for records, *_ in parts])
        end = max(end for _, _, end, _ in parts)
        return Loaded(records, begin, end, lags, progress, sum(count for *_, count in parts))

    def _ready(self, pipes: Sequence[Connection]) -> Sequence[Any]:
        try:
            return wait(pipes)
        except KeyboardInterrupt:
            if self.stopped:  # a second one: at once
                raise
            self.stop()
            return ()

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
        lines: list[str] = []
        path = Path(self._folder.name) / f"{number}.log"
        with contextlib.suppress(OSError), path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode(errors="replace").splitlines()[-5:]
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
