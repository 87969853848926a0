"""Programs that hang are ended with all that they started, and say what they said."""

from __future__ import annotations

import os
import re
import signal
import sys

import psutil
import pytest

from support.processes import exit_code_of, run_to_end
from support.waiting import until

_HANGS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


def test_a_child_that_holds_the_pipes_is_ended_too() -> None:
    with pytest.raises(
        AssertionError, match=r"were not enough for it. It said:\nchild \d+"
    ) as told:
        run_to_end([sys.executable, "-c", _HANGS], timeout=10)
    found = re.search(r"child (\d+)", str(told.value))
    assert found is not None
    child = int(found[1])
    until(
        lambda: (
            not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        )  # nobody buries it here
    )


def test_what_ends_is_told_as_it_ended() -> None:
    code = "import sys; print('out'); print('errors', file=sys.stderr); sys.exit(3)"
    done = run_to_end([sys.executable, "-c", code])
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "errors\n")


def test_a_forked_child_that_hangs_is_ended() -> None:
    child = os.fork()
    if not child:
        signal.pause()
        os._exit(0)
    assert exit_code_of(child, timeout=0.2) == -signal.SIGKILL
