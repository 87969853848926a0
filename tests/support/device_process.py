"""Tests that run in a process of their own, in which torch has the fake accelerator.

    @on_fake_device
    def test_something(tmp_path): ...

reads like any test: its fixtures are made here and sent to the process (they must survive pickling:
paths, numbers, arrays), where the body runs. It fails here with the traceback from there, when it
takes too long, when it kills the process, and when the device reports a race that it did not take
with `fakegpu.take_races()`. The process is shared by all such tests and made anew after one died.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pickle
import select
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn

import pytest

#: Seconds for one test; they take a few. A hang must not hold up the suite for ever.
TIME_LIMIT = 300


def on_fake_device(test: Callable[..., None]) -> Callable[..., None]:
    """Makes a test's body run in the process with the fake accelerator."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        DeviceProcess.shared().call(test.__module__, test.__qualname__, fixtures)

    return run


def _send(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message)
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()


def _receive(stream: BinaryIO) -> Any:
    size = stream.read(8)
    if len(size) < 8:
        raise EOFError
    return pickle.loads(stream.read(int.from_bytes(size, "little")))


class DeviceProcess:
    """The process, seen from outside."""

    _shared: DeviceProcess | None = None

    @classmethod
    def shared(cls) -> DeviceProcess:
        """The one that runs, or a new one."""
        if cls._shared is None or cls._shared._process.poll() is not None:
            from support import fakegpu

            cls._shared = cls(str(fakegpu.build()))
        return cls._shared

    def __init__(self, library: str) -> None:
        from support.processes import child_environment

        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "support.device_process", library],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
        )

    def call(self, module: str, name: str, arguments: dict[str, Any]) -> None:
        """Runs a test there; fails as it fails."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            _send(self._process.stdin, (module, name, arguments))  # type: ignore[arg-type]
            ready, _, _ = select.select([self._process.stdout], [], [], TIME_LIMIT)
            if not ready:
                self._end(f"nothing was heard of it for {TIME_LIMIT} seconds")
            failure = _receive(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, OSError):
            self._end(f"its process ended with {self._process.wait()}")
        if failure is not None:
            pytest.fail(failure, pytrace=False)

    def _end(self, reason: str) -> NoReturn:
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        # What ended it stands before what all threads were doing, which may be long.
        fatal = log.find("Fatal Python error")
        shown = log[max(0, fatal - 2000) : fatal + 6000] if fatal >= 0 else log[-8000:]
        pytest.fail(f"{reason}\n{shown}", pytrace=False)


def _run(module: str, name: str, arguments: dict[str, Any]) -> str | None:
    """One test, inside; returns what went wrong."""
    from support import fakegpu

    fakegpu.reset()
    try:
        test: Any = importlib.import_module(module)
        for part in name.split("."):
            test = getattr(test, part)
        test.__wrapped__(**arguments)
        races = fakegpu.take_races()
        if races:
            return "races on the device:\n" + "\n".join(races)
    except BaseException:
        return traceback.format_exc()
    return None


def _serve() -> None:
    import faulthandler

    from support import fakegpu

    faulthandler.enable()
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # whatever prints does so into the log
    fakegpu.load(fakegpu.Path(sys.argv[1]))
    with contextlib.suppress(EOFError):
        while True:
            _send(replies, _run(*_receive(sys.stdin.buffer)))  # type: ignore[arg-type]


if __name__ == "__main__":
    _serve()
