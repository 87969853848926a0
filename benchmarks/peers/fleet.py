"""The processes of the systems, seen from outside: started, stopped while idle, ended.

Only one of them runs at any time. The others are stopped (SIGSTOP), for OpenMP's and ONNX
Runtime's threads spin for a while after their work; and where memory gets short, the one that is
needed last is ended and started again when its turn comes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Hashable, Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from benchmarks.common.usage import tree
from benchmarks.peers.adapters import Files, UnavailableError
from benchmarks.peers.setups import Setup
from safeasr.bench.audio.clips import Clip

ROOT = Path(__file__).resolve().parents[2]
#: A load that takes longer has hung, in seconds.
PATIENCE_S = 900.0


class Worker:
    """A system in a process of its own."""

    def __init__(self, files: Files, setup: Setup) -> None:
        """Start and load; raises UnavailableError if it cannot run here."""
        self._pipe, theirs = Pipe()
        # A file and no pipe: nobody would empty a pipe. Removed when it is closed.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        os.set_inheritable(theirs.fileno(), True)
        command = [sys.executable, "-m", "benchmarks.peers.worker", str(theirs.fileno())]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        theirs.close()
        self._items: Sequence[Clip] | None = None
        self._warm: Setup | None = None
        self._pipe.send(((files.family, files.directory, files.exported), setup))
        self.facts = self._answer()
        if "unavailable" in self.facts:
            self.close()
            raise UnavailableError(self.facts["unavailable"])

    def _answer(self) -> dict[str, Any]:
        try:
            if self._pipe.poll(PATIENCE_S):
                return dict(self._pipe.recv())
            reason = f"no answer within {PATIENCE_S:.0f} s"
        except (EOFError, ConnectionResetError):
            self._process.wait(30)
            reason = f"the process ended with status {self._process.returncode}"
        self._log.seek(0)
        last = self._log.read().decode(errors="replace").strip().splitlines()[-3:]
        self.kill()
        raise UnavailableError("; ".join([reason, *last]))

    def run(
        self, setup: Setup, items: Sequence[Clip], callers: int, passes: int, warm: int
    ) -> dict[str, Any]:
        """One load, see ``worker.run``. ``warm``: utterances before the first of this set-up."""
        order: dict[str, Any] = {"setup": setup, "callers": callers, "passes": passes}
        if items is not self._items:
            self._items = items
            order["items"] = [(one.name, one.samples) for one in items]
        if self._warm != setup:
            order["warm"] = warm
            self._warm = setup
        self._pipe.send(order)
        return self._answer()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        for one in tree(self._process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(number)

    def close(self) -> None:
        """End it."""
        self.signal(signal.SIGCONT)
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        self._pipe.close()
        self._log.close()


class Fleet:
    """The workers by key; a context manager."""

    def __init__(self, files: Files) -> None:
        self._files = files
        #: In the order of their last use.
        self._workers: dict[Hashable, Worker] = {}
        self._needed_mb: dict[Hashable, float] = {}
        self._unknown_mb = 600 + 4 * (files.directory / "model.pt").stat().st_size / 2**20
        #: Why a key cannot run.
        self.unavailable: dict[Hashable, str] = {}
        #: What is to be known about a library, said when it was loaded.
        self.notes: dict[str, list[str]] = {}
        self.restarts = 0

    def run(
        self,
        key: Hashable,
        setup: Setup,
        items: Sequence[Clip],
        callers: int,
        passes: int = 1,
        warm: int = 8,
    ) -> dict[str, Any]:
        """One load on the worker of that key; raises UnavailableError."""
        if key in self.unavailable:
            raise UnavailableError(self.unavailable[key])
        try:
            worker = self._workers.pop(key, None) or self._start(key, setup)
            worker.signal(signal.SIGCONT)
            result = worker.run(setup, items, callers, passes, warm)
        except UnavailableError as error:
            self.unavailable[key] = str(error)
            raise
        self._needed_mb[key] = max(result["peak_mb"], self._needed_mb.get(key, 0.0))
        worker.signal(signal.SIGSTOP)
        self._workers[key] = worker
        return result

    def pids(self, key: Hashable) -> list[int]:
        """The processes of that key; none if it is not loaded now."""
        worker = self._workers.get(key)
        return [one.pid for one in tree(worker.pid)] if worker else []

    def _start(self, key: Hashable, setup: Setup) -> Worker:
        needed = self._needed_mb.get(key, self._unknown_mb * max(1, setup.processes))
        while self._workers and psutil.virtual_memory().available / 2**20 < needed + 500:
            # Systems take turns: the one used last is needed again after all the others.
            last = next(reversed(self._workers))
            self._workers.pop(last).close()
            self.restarts += 1
        worker = Worker(self._files, setup.loaded)
        if worker.facts["notes"]:
            self.notes[setup.library] = worker.facts["notes"]
        return worker

    def end(self, key: Hashable) -> None:
        """End the worker of that key, if there is one."""
        if key in self._workers:
            self._workers.pop(key).close()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for key in list(self._workers):
            self.end(key)
