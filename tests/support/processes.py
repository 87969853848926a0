"""New interpreters and other programs, as tests start them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safeasr
from support.paths import TESTS

__all__ = ["child_environment", "exit_code_of", "run_to_end"]


def child_environment() -> dict[str, str]:
    """The environment in which a new interpreter finds this safeasr, tests and their helpers."""
    package = str(Path(safeasr.__file__).resolve().parents[1])
    folders = sorted({str(test.parent) for test in TESTS.rglob("test_*.py")})
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *folders])}


def run_to_end(
    command: Sequence[str], *, timeout: float = 60, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program and take what it prints.

    One that does not end in time is ended with all that it started, which `subprocess.run` would
    leave there, and says what it had said.

    Args:
        command: the program and its arguments.
        timeout: seconds that it may take.
        **options: of ``subprocess.Popen``.

    Raises:
        AssertionError: it took longer; says what it printed last.
    """
    pipe, out, errors = subprocess.PIPE, "", ""
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **options
    ) as process:
        try:
            out, errors = process.communicate(timeout=timeout)
        except BaseException as error:  # Ctrl-C, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            with contextlib.suppress(subprocess.TimeoutExpired):  # some child has left the group
                out, errors = process.communicate(timeout=10)
            said = f"{out[-2000:]}\n{errors[-4000:]}"
            raise AssertionError(
                f"{timeout:g} s were not enough for it. It said:\n{said}"
            ) from None
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


def exit_code_of(child: int, timeout: float = 60) -> int:
    """Wait for a forked child; one that does not end in time is killed, which its code shows."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
